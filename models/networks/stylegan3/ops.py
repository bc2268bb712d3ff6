"""The two costly operations of a synthesis layer, in plain torch (arXiv 2106.12423, section
3.2)."""

from __future__ import annotations

import math
from functools import cache
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F

from models.kernels.filtered_lrelu import cpu
from models.kernels.filtered_lrelu.filtering import Filtering
from models.kernels.resample import band, resample
from models.training import distributed


def modulated_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    styles: torch.Tensor,
    demodulate: bool = True,
    padding: int = 0,
    input_gain: torch.Tensor | None = None,
    norm: torch.Tensor | None = None,
    scaled: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Convolution whose weights are scaled per sample and input channel (arXiv 1912.04958,
    equations 1 and 3).

    Scaling activations before and after one shared convolution gives the same result as per-sample
    weights. x: [n, i, h, w]; weight: float32 [o, i, k, k]; styles: float32 [n, i]; input_gain:
    scalar, not seen by the demodulation. With demodulation the weights are normalised per output
    channel and the styles by `norm`, which keeps half precision in range: style_norm(styles), or
    what it is of the batch that these are a part of. scaled: x is already multiplied with its
    input_scale. Negative padding crops x. Returns [n, o, h + 2 * padding - k + 1, ...] in x's
    dtype, and what is still to be multiplied with it: [n, o], or None without demodulation.
    """
    if padding < 0:
        x, padding = x[:, :, -padding:padding, -padding:padding], 0
    if not demodulate:
        x = x if scaled else x * input_scale(styles, input_gain, None).to(x.dtype)[:, :, None, None]
        return F.conv2d(x, weight.to(x.dtype), padding=padding), None
    norm = style_norm(styles) if norm is None else norm
    x = x if scaled else x * input_scale(styles, input_gain, norm).to(x.dtype)[:, :, None, None]
    weight = weight * weight.square().mean([1, 2, 3], keepdim=True).rsqrt()
    power = weight.square().sum([2, 3])  # [o, i]
    demodulation = ((styles * norm).square() @ power.t() + 1e-8).rsqrt()  # [n, o]
    if x.is_cuda:  # tensor cores, and our kernel, read channels last
        x = x.contiguous(memory_format=torch.channels_last)
    return F.conv2d(x, weight.to(x.dtype), padding=padding), demodulation.to(x.dtype)


def input_scale(
    styles: torch.Tensor, gain: torch.Tensor | None, norm: torch.Tensor | None
) -> torch.Tensor:
    """What a modulated convolution multiplies its input channels with, [n, i]; the norm only where
    it demodulates."""
    scale = styles if gain is None else styles * gain
    return scale if norm is None else scale * norm


def style_norm(styles: torch.Tensor) -> torch.Tensor:
    """What the styles [n, i] of a whole batch, of all processes in training, are multiplied with: a
    scalar."""
    return distributed.mean(styles.square().mean()).rsqrt()


class _Activated(torch.autograd.Function):
    """The clamped leaky relu in place; its gradient follows from its result alone."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, slope: float, limit: float) -> torch.Tensor:
        F.leaky_relu_(x, slope).clamp_(-limit, limit)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        ctx.slope, ctx.limit = slope, limit
        return x

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        (y,) = ctx.saved_tensors
        grad = torch.ops.aten.leaky_relu_backward(grad, y.detach(), ctx.slope, True)
        return torch.where(y.detach().abs() < ctx.limit, grad, 0), None, None


def _activate(x: torch.Tensor, gain: float, slope: float, clamp: float | None) -> torch.Tensor:
    """The clamped leaky relu, in place, without its gain."""
    if clamp is None:
        return F.leaky_relu_(x, slope) if slope != 1 else x
    activated: torch.Tensor = _Activated.apply(x, slope, clamp / gain)
    return activated


def filtered_lrelu_torch(
    x: torch.Tensor,
    filtering: Filtering,
    bias: torch.Tensor | None = None,
    *,
    scale: torch.Tensor | None = None,
    rescale: torch.Tensor | None = None,
) -> torch.Tensor:
    """`filtered_lrelu` on any device and in any precision: products with banded matrices.

    The slope must be above 0. Differentiable any number of times. Channels last stay so.
    """
    up_filter, down_filter, up, down, padding, gain, slope, clamp = filtering
    x = _times(x, scale)
    x = x if bias is None else x + bias[:, None, None]
    ups, downs = (1 if f is None else f.shape[-1] for f in (up_filter, down_filter))
    if up == down == ups == downs == 1 and not any(padding):
        return _times(_activate(x.clone(), gain, slope, clamp) * gain, rescale)
    sides = padding[2:], padding[:2]
    lifts = [
        band(up_filter, size, up=up, padding=side, like=x)
        for size, side in zip(x.shape[2:], sides, strict=True)
    ]
    wide = _activate(resample(x, *lifts), gain, slope, clamp)
    if down_filter is not None and down_filter.ndim == 2:
        radial = (down_filter.flip(0, 1)[None, None] * gain).to(x.dtype)
        planes = F.conv2d(wide.flatten(0, 1)[:, None], radial, stride=down)
        return _times(planes.view(*x.shape[:2], *planes.shape[2:]), rescale)
    along, across = (
        band(down_filter, size, down=down, gain=math.sqrt(gain), like=x) for size in wide.shape[2:]
    )
    return _times(resample(wide, along, across), rescale)


def _times(x: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
    return x if scale is None else x * scale.to(x.dtype)[:, :, None, None]


def filtered_lrelu(
    x: torch.Tensor,
    filtering: Filtering,
    bias: torch.Tensor | None = None,
    *,
    scale: torch.Tensor | None = None,
    rescale: torch.Tensor | None = None,
) -> torch.Tensor:
    """Scale, bias, upsampling, leaky relu, gain, clamp, downsampling, rescale: see
    `kernels.filtered_lrelu.cpu.filtered_lrelu`.

    numba on the CPU; on CUDA Triton, but for radial filters; plain torch elsewhere.
    """
    run = filtered_lrelu_torch
    if x.device.type == "cpu" and x.dtype == torch.float32:
        run = cpu.filtered_lrelu
    elif x.is_cuda and filtering.up * filtering.down > 1 and (kernel := _triton()):
        run = kernel.filtered_lrelu if kernel.supports(x, filtering) else run
    return run(x, filtering, bias, scale=scale, rescale=rescale)


@cache
def _triton() -> ModuleType | None:
    """The Triton kernel where Triton is: torch's CUDA wheels for Linux bring it along."""
    try:
        from models.kernels.filtered_lrelu import cuda
    except ImportError:
        return None
    return cuda
