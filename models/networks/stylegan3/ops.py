"""The two costly operations of a synthesis layer, in plain torch (arXiv 2106.12423, section
3.2)."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import NamedTuple

import torch
import torch.nn.functional as F

from models.kernels.filtered_lrelu import cpu
from models.training import distributed

Padding = tuple[int, int, int, int]
CPU_TILE, TILE = 32, 512  # output samples; on the CPU the upsampled tiles should stay in the cache


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
    if x.dtype == torch.float16:  # tensor cores read channels last
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


class _Tile(NamedTuple):
    """A stretch of the output along one axis: what it reads, and the matrices [to, from] that lead
    to it."""

    source: slice
    up: torch.Tensor
    down: torch.Tensor


def _fir_matrix(
    taps: torch.Tensor, rows: range, columns: range, up: int, down: int, low: int
) -> torch.Tensor:
    """The block [rows, columns] of the banded matrix that zero-inserts, pads by `low`, filters and
    decimates."""
    row = torch.arange(rows.start, rows.stop, device=taps.device)[:, None]
    column = torch.arange(columns.start, columns.stop, device=taps.device)[None, :]
    tap = row * down + len(taps) - 1 - low - column * up
    inside = (tap >= 0) & (tap < len(taps))
    return torch.where(inside, taps[tap.clamp(0, len(taps) - 1)] * up, 0)


def _support(rows: range, taps: int, up: int, low: int, size: int) -> range:
    """The input samples, of `size`, that the upsampled samples `rows` depend on; at least one."""
    first, last = -((low - rows.start) // up), (rows.stop + taps - 2 - low) // up
    return range(min(max(first, 0), size - 1), max(min(last + 1, size), 1))


def _tiles(
    size: int,
    low: int,
    high: int,
    up_taps: torch.Tensor,
    down_taps: torch.Tensor,
    up: int,
    down: int,
    length: int,
) -> list[_Tile]:
    """Divides an axis of `size` samples so that about `length` outputs are computed at a time."""
    out = (size * up + low + high - len(up_taps) - len(down_taps) + 1) // down + 1
    count = max(1, round(out / length))
    tiles = []
    for target in (range(out * i // count, out * (i + 1) // count) for i in range(count)):
        middle = range(target.start * down, (target.stop - 1) * down + len(down_taps))
        source = _support(middle, len(up_taps), up, low, size)
        lift = _fir_matrix(up_taps, middle, source, up, 1, low)
        tiles.append(
            _Tile(
                slice(source.start, source.stop),
                lift,
                _fir_matrix(down_taps, target, middle, 1, down, 0),
            )
        )
    return tiles


def _activate(x: torch.Tensor, gain: float, slope: float, clamp: float | None) -> torch.Tensor:
    """The clamped leaky relu, without its gain: the function is monotonic, so the limits may be put
    on its input."""
    if clamp is not None:
        x = x.clamp(-clamp / (gain * slope), clamp / gain)
    return F.leaky_relu(x, slope) if slope != 1 else x


def filtered_lrelu_torch(
    x: torch.Tensor,
    up_filter: torch.Tensor | None,
    down_filter: torch.Tensor | None,
    bias: torch.Tensor | None,
    up: int,
    down: int,
    padding: Padding,
    gain: float,
    slope: float,
    clamp: float | None,
    scale: torch.Tensor | None = None,
    rescale: torch.Tensor | None = None,
) -> torch.Tensor:
    """`filtered_lrelu` on any device and in any precision: products with banded matrices, tile by
    tile.

    gain and slope must be positive.
    """
    one = x.new_ones(1)
    x = _times(x, scale)
    x = x if bias is None else x + bias[:, None, None]
    rise = one if up_filter is None else up_filter.to(x.dtype)
    fall = one if down_filter is None else down_filter.to(x.dtype)
    if up == down == len(rise) == len(fall) == 1 and not any(padding):
        return _times(_activate(x, gain, slope, clamp) * gain, rescale)
    radial = fall if fall.ndim == 2 else None
    line = fall[0] if radial is not None else fall
    length = CPU_TILE if x.device.type == "cpu" else TILE
    across = _tiles(x.shape[3], *padding[:2], rise, line, up, down, length)
    along = _tiles(x.shape[2], *padding[2:], rise, line, up, down, length)

    def tile(y: _Tile, x_: _Tile) -> torch.Tensor:
        wide = _activate(y.up @ (x[:, :, y.source, x_.source] @ x_.up.t()), gain, slope, clamp)
        if radial is None:
            return y.down @ (wide @ (x_.down.t() * gain))
        planes = F.conv2d(
            wide.flatten(0, 1)[:, None], radial.flip(0, 1)[None, None] * gain, stride=down
        )
        return planes.view(*x.shape[:2], *planes.shape[2:])

    return _times(
        torch.cat([torch.cat([tile(y, x_) for x_ in across], 3) for y in along], 2), rescale
    )


def _times(x: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
    return x if scale is None else x * scale[:, :, None, None]


def filtered_lrelu(
    x: torch.Tensor,
    up_filter: torch.Tensor | None,
    down_filter: torch.Tensor | None,
    bias: torch.Tensor | None,
    up: int,
    down: int,
    padding: Padding,
    gain: float,
    slope: float,
    clamp: float | None,
    scale: torch.Tensor | None = None,
    rescale: torch.Tensor | None = None,
) -> torch.Tensor:
    """Scale, bias, upsampling, leaky relu, gain, clamp, downsampling, rescale: see
    `fused.filtered_lrelu`.

    numba on the CPU; on CUDA Triton where it can, which is inference without radial filters; plain
    torch elsewhere.
    """
    run = filtered_lrelu_torch
    if x.device.type == "cpu" and x.dtype == torch.float32:
        run = cpu.filtered_lrelu
    elif x.is_cuda and (kernel := _triton()) and kernel.supports(x, down_filter, bias):
        y = kernel.filtered_lrelu(
            x, up_filter, down_filter, bias, up, down, padding, gain, slope, clamp, scale
        )
        return _times(y, rescale)
    return run(
        x, up_filter, down_filter, bias, up, down, padding, gain, slope, clamp, scale, rescale
    )


@cache
def _triton() -> ModuleType | None:
    """The Triton kernel where Triton is: torch's CUDA wheels for Linux bring it along."""
    try:
        from models.kernels.filtered_lrelu import triton_kernel
    except ImportError:
        return None
    return triton_kernel
