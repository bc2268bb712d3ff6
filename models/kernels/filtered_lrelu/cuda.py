"""The filtered leaky relu on CUDA: what its Triton kernel is launched with, and its gradient.

The upsampled grid's geometry is that of `cpu.filtered_lrelu`. Its gradient reads the same grid from
the other side: what was read first is then what comes out last.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from models.kernels.filtered_lrelu import triton_kernel
from models.kernels.filtered_lrelu.filtering import Filtering

WORD = 8  # upsampled samples of a row whose bits are kept in one int16: what a strip owns
LANES = 32  # channels of a program: one warp
PROGRAMS = 2048  # at least so many where images are high enough: some 15 a multiprocessor
INFER, RECORD, GRADIENT = range(3)


class Axis(NamedTuple):
    """One direction, in samples; the middle is the upsampled grid."""

    size: int
    out: int
    middle: int
    low: int  # zeros before the first upsampled sample
    shift: int  # upsampled sample that the first output begins with


class Resampling(NamedTuple):
    """All that one launch needs to know of factors, filters and sizes."""

    up: int
    down: int
    ups: torch.Tensor  # float32, in the order in which `_risen` counts them, gains included
    downs: torch.Tensor
    rows: Axis
    columns: Axis

    def swapped(self) -> Resampling:
        """The transposed operation, which gradients go through."""
        axes = (
            Axis(a.out, a.size, a.middle, len(self.downs) - 1, a.low - len(self.ups) + 1)
            for a in (self.rows, self.columns)
        )
        return Resampling(self.down, self.up, self.downs, self.ups, *axes)


class Activation(NamedTuple):
    slope: float
    limit: float | None  # largest magnitude, or none


def supports(x: torch.Tensor, filtering: Filtering) -> bool:
    """Whether the kernel computes it: separable filters, factors that divide a word."""
    separable = filtering.down_filter is None or filtering.down_filter.ndim == 1
    whole = WORD % filtering.up == 0 and WORD % filtering.down == 0
    return separable and whole and x.dtype != torch.float64


def filtered_lrelu(
    x: torch.Tensor,
    filtering: Filtering,
    bias: torch.Tensor | None = None,
    *,
    scale: torch.Tensor | None = None,
    rescale: torch.Tensor | None = None,
) -> torch.Tensor:
    """Gives what `cpu.filtered_lrelu`, for x of float16, bfloat16 or float32; sums are float32.

    x should be channels last; what comes out is. Differentiable once, in x, scale, bias and
    rescale. Raises ValueError where padding leaves nothing.
    """
    plan = _plan(x, filtering)
    clamp = filtering.clamp
    activation = Activation(filtering.slope, None if clamp is None else clamp / filtering.gain)
    inputs = (x, scale, bias, rescale)
    scale = x.new_ones(x.shape[:2]) if scale is None else scale.contiguous()
    bias = x.new_zeros(x.shape[1]) if bias is None else bias.contiguous()
    x = x.contiguous(memory_format=torch.channels_last)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in inputs):
        y: torch.Tensor = _Streamed.apply(x, scale, bias, plan, activation)
        return y if rescale is None else y * rescale[:, :, None, None]
    return _run(INFER, x, plan, activation, scale, bias, rescale=rescale)[0]


def _plan(x: torch.Tensor, filtering: Filtering) -> Resampling:
    up_filter, down_filter, up, down, padding, gain, *_ = filtering
    versions = tuple(f._version if f is not None and not f.is_inference() else 0
                     for f in (up_filter, down_filter))  # fmt: skip
    ups, downs = _taps(up_filter, down_filter, versions, up, gain, x.device)
    left, right, top, bottom = padding
    axes = []
    for size, low, high in ((x.shape[2], top, bottom), (x.shape[3], left, right)):
        middle = size * up + low + high - len(ups) + 1
        axes.append(Axis(size, (middle - len(downs)) // down + 1, middle, low, 0))
    if min(axis.out for axis in axes) < 1:
        raise ValueError(f"padding {tuple(x.shape[2:])} by {padding} leaves nothing to filter")
    return Resampling(up, down, ups, downs, *axes)


@lru_cache(maxsize=256)  # of tensors by identity; without it some tiny launches precede each call
@torch.inference_mode(False)
@torch.no_grad()
def _taps(
    up_filter: torch.Tensor | None,
    down_filter: torch.Tensor | None,
    versions: tuple[int, int],
    up: int,
    gain: float,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    one = torch.ones(1, device=device)
    ups = (one if up_filter is None else up_filter.float()) * up
    downs = (one if down_filter is None else down_filter.float()).flip(0) * math.sqrt(gain)
    return ups, downs


class _Streamed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        scale: torch.Tensor,
        bias: torch.Tensor,
        plan: Resampling,
        activation: Activation,
    ) -> torch.Tensor:
        words = -(-plan.columns.middle // WORD)
        bits = torch.empty(
            x.shape[0], plan.rows.middle, words, x.shape[1], dtype=torch.int16, device=x.device
        )
        y, _ = _run(RECORD, x, plan, activation, scale, bias, bits=bits)
        ctx.save_for_backward(x, scale, bias, bits, plan.ups, plan.downs)
        ctx.plan, ctx.activation = plan._replace(ups=None, downs=None), activation  # type: ignore[arg-type]
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        x, scale, bias, bits, ups, downs = ctx.saved_tensors
        plan = ctx.plan._replace(ups=ups, downs=downs).swapped()
        grad = grad.contiguous(memory_format=torch.channels_last)
        x_grad, sums = _run(GRADIENT, grad, plan, ctx.activation, scale, bias, bits=bits, source=x)
        total, product = sums.sum(1).unbind(1)  # [n, c] each
        return x_grad, product.to(scale.dtype), total.sum(0).to(bias.dtype), None, None


def _run(
    mode: int,
    x: torch.Tensor,
    plan: Resampling,
    activation: Activation,
    scale: torch.Tensor,
    bias: torch.Tensor,
    *,
    rescale: torch.Tensor | None = None,
    bits: torch.Tensor | None = None,
    source: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """y [n, c, rows.out, columns.out] and, of gradients, sums over pixels [n, programs, 2, c].

    bits: int16 [n, middle rows, words, c]; source: the x whose scale's gradient is asked for.
    """
    up, down, ups, downs, rows, columns = plan
    n, channels = x.shape[:2]
    y = torch.empty(
        (n, channels, rows.out, columns.out),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last,
    )
    taken = down // math.gcd(up, down)
    middle, out = taken * up, WORD // down
    made = middle // down
    lead = -(-max(len(downs) - down, 0) // middle)
    phases = [-((axis.low - axis.shift) % up) for axis in (rows, columns)]
    wide = (out - 1) * down + len(downs)
    held = (phases[0] + middle + len(ups) - 2) // up + 1
    read = (phases[1] + wide + len(ups) - 2) // up + 1
    words = 0 if bits is None else bits.shape[2]
    strips = words if mode == RECORD else -(-columns.out // out)
    blocks = -(-channels // LANES)
    needed = -(-rows.out // made)
    segments = max(1, min(-(-PROGRAMS // (strips * blocks * n)), needed // 8))
    sums = x.new_empty((n, strips * segments, 2, channels), dtype=torch.float32)
    triton_kernel.filter_strips[(strips * segments, blocks, n)](
        x, y, scale, bias, x if rescale is None else rescale.contiguous(),
        x if bits is None else bits, x if source is None else source, sums, ups, downs,
        channels, rows.size, columns.size, rows.out, columns.out, rows.middle, strips, words,
        -((rows.low - rows.shift) // up), -((columns.low - columns.shift) // up),
        rows.shift, columns.shift // WORD, -(-needed // segments),
        activation.slope, math.inf if activation.limit is None else activation.limit,
        mode, True, rescale is not None, activation.limit is not None,
        up, down, len(ups), len(downs), *phases, columns.shift % WORD,
        taken, middle, made, lead, out, wide, read, held,
        (columns.shift % WORD + wide - 1) // WORD + 1, LANES,
        num_warps=1,
    )  # fmt: skip
    return y, sums
