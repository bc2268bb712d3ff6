"""The filtered leaky relu on the CPU, by a kernel that numba compiles.

The gradient is the same operation with the filters swapped and the recorded derivative as activation.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.autograd.function import once_differentiable

from models.generator.fused_kernel import (
    BACKWARD,
    FORWARD,
    RECORDING,
    Geometry,
    Taps,
    resample,
)

Padding = tuple[int, int, int, int]
_Reads = list[tuple[int, int]]  # (sample, tap): what one sample is the weighted sum of


class _Lists(NamedTuple):
    """Lists of taps: where each reads, and the weight's index in the flattened filter, -1 for no weight."""

    places: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int64]
    count: int

    def of(
        self, weights: npt.NDArray[np.float32]
    ) -> tuple[Taps, npt.NDArray[np.float32]]:
        """The lists' taps for a filter's flat weights, with the array that they point to."""
        values = np.append(weights, np.float32(0))[self.weights]
        return Taps(self.places.ctypes.data, values.ctypes.data, self.count), values


class _Plan(NamedTuple):
    """What the sizes alone determine."""

    geometry: Geometry
    across: _Lists
    upward: _Lists
    downward: _Lists
    back: _Lists


def _ceil(value: int, divisor: int) -> int:
    return -(-value // divisor)


def _round_up(value: int) -> int:
    return _ceil(value, 8) * 8


def _lists(lists: list[_Reads]) -> _Lists:
    count = max(map(len, lists), default=0)
    flat = np.array(
        [pair for reads in lists for pair in reads + [(0, -1)] * (count - len(reads))],
        np.int64,
    )
    places, weights = np.ascontiguousarray(flat.reshape(-1, 2).T)
    return _Lists(places, weights, count)


def _rise(m: int, up: int, pad: int, taps: int) -> _Reads:
    """What sample m of an upsampled axis reads: tap k meets input sample i where up * i - m + pad = k."""
    first = _ceil(m - pad, up)
    return [(first + k // up, k) for k in range(up * first - m + pad, taps, up)]


@lru_cache(maxsize=512)
def _plan(
    size: tuple[int, int],
    grid: tuple[int, int],
    out: tuple[int, int],
    factors: tuple[int, int],
    pad: tuple[int, int],
    shift: tuple[int, int],
    up_taps: tuple[int, ...],
    down_taps: tuple[int, ...],
) -> _Plan:
    """size, grid (upsampled), out: (height, width); factors: (up, down); pad, shift: (y, x); taps: the filters' shapes.

    Upsampled sample m of an axis is the sum of filter[k] * input[i] over up * i - m + pad = k;
    output sample j is the sum of filter[k] * upsampled[down * j + shift + k].
    """
    up, down = factors
    phases = math.lcm(up, down)
    in_phases, out_phases = phases // up, phases // down
    rise = [_rise(q, up, pad[1], up_taps[-1]) for q in range(phases)]
    fall = [
        [(down * s + shift[1] + k, k) for k in range(down_taps[-1])]
        for s in range(out_phases)
    ]
    wide_stride = _round_up(_ceil(grid[1], phases))
    in_margin, in_end = _extent(rise, in_phases, wide_stride)
    in_stride = _round_up(in_margin + max(in_end, _ceil(size[1], in_phases)))
    out_stride = _round_up(_ceil(out[1], out_phases))
    grid_margin, grid_end = _extent(fall, phases, out_stride)
    grid_margin = _round_up(grid_margin)
    grid_stride = _round_up(grid_margin + max(grid_end, wide_stride))
    wide_row = phases * wide_stride if len(up_taps) == 1 else in_phases * in_stride
    grid_row = phases * grid_stride
    up_rows = _ceil(up_taps[0], up)
    geometry = Geometry(
        *size, *out, grid[0], up, down, pad[0], shift[0], in_phases, phases, out_phases, in_margin, in_stride,
        wide_stride, grid_margin, grid_stride, out_stride, up_rows, down_taps[0], wide_row, grid_row,
    )  # fmt: skip
    rise = [
        [(i % in_phases * in_stride + i // in_phases + in_margin, k) for i, k in reads]
        for reads in rise
    ]
    fall = [
        [(m % phases * grid_stride + m // phases + grid_margin, k) for m, k in reads]
        for reads in fall
    ]
    columns = [
        ([(n * wide_row, k) for n, k in enumerate(range(first, up_taps[0], up))], q)
        for first in range(up)
        for q in range(phases)
    ]
    rows = [(k * grid_row, k) for k in range(down_taps[0])]
    if len(up_taps) == 1:
        across, upward = (
            rise,
            [
                [(place + q * wide_stride, k) for place, k in reads]
                for reads, q in columns
            ],
        )
    else:
        across, upward = (
            [],
            [_product(reads, rise[q], up_taps[1]) for reads, q in columns],
        )
    if len(down_taps) == 1:
        downward, back = [rows], fall
    else:
        downward, back = [], [_product(rows, reads, down_taps[1]) for reads in fall]
    return _Plan(
        geometry, _lists(across), _lists(upward), _lists(downward), _lists(back)
    )


def _extent(lists: list[_Reads], phases: int, length: int) -> tuple[int, int]:
    """How far, within a phase, reading `length` samples reaches before its start, and its end."""
    samples = [sample // phases for reads in lists for sample, _ in reads]
    return max(0, -min(samples)), max(samples) + length


def _product(rows: _Reads, columns: _Reads, width: int) -> _Reads:
    return [
        (row + column, ky * width + kx) for row, ky in rows for column, kx in columns
    ]


def _run(
    plan: _Plan,
    x: torch.Tensor,
    bias: torch.Tensor,
    up_filter: torch.Tensor,
    down_filter: torch.Tensor,
    signs: torch.Tensor,
    activation: tuple[int, float, float],
) -> torch.Tensor:
    """x: float32 [n, c, h, w] -> [n, c, out_height, out_width]; activation: mode, slope, limit."""
    g = plan.geometry
    x, bias = x.contiguous(), bias.contiguous()
    y = x.new_empty(*x.shape[:2], g.out_height, g.out_width)
    planes = x.shape[0] * x.shape[1]
    ups, downs = up_filter.numpy().ravel(), down_filter.numpy().ravel()
    lists = zip(plan[1:], (ups, ups, downs, downs), strict=True)
    taps, _alive = zip(*(part.of(weights) for part, weights in lists), strict=True)

    def run(first: int, last: int) -> None:
        scratch = torch.zeros(g.scratch)
        resample(
            first, last, x.data_ptr(), bias.data_ptr(), len(bias), y.data_ptr(), signs.data_ptr(), scratch.data_ptr(),
            *activation, g, *taps,
        )  # fmt: skip

    threads = min(torch.get_num_threads(), planes)
    if threads <= 1:
        run(0, planes)
        return y
    with ThreadPoolExecutor(threads) as pool:
        list(
            pool.map(
                run,
                *zip(
                    *pairwise(planes * t // threads for t in range(threads + 1)),
                    strict=True,
                ),
            )
        )
    return y


class _FilteredLRelu(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        bias: torch.Tensor,
        up_filter: torch.Tensor,
        down_filter: torch.Tensor,
        factors: tuple[int, int],
        padding: Padding,
        activation: tuple[float, float],
        record: bool,
    ) -> torch.Tensor:
        """up_filter: gains included; activation: slope, limit; record: what the gradient needs."""
        left, right, top, bottom = padding
        up, down = factors
        size = x.shape[2], x.shape[3]
        ups, downs = tuple(up_filter.shape), tuple(down_filter.shape)
        grid = (
            size[0] * up + top + bottom - ups[0] + 1,
            size[1] * up + left + right - ups[0] + 1,
        )
        out = (grid[0] - downs[0]) // down + 1, (grid[1] - downs[-1]) // down + 1
        if min(*size, *out) < 1:
            raise ValueError(f"nothing is left of {size} after padding by {padding}")
        plan = _plan(size, grid, out, factors, (top, left), (0, 0), ups, downs)
        planes = x.shape[0] * x.shape[1]
        signs = torch.empty(
            planes * plan.geometry.plane_signs if record else 0, dtype=torch.uint8
        )
        mode = RECORDING if record else FORWARD
        flipped = up_filter.flip(0), down_filter.flip(*range(down_filter.ndim))
        y = _run(plan, x, bias, *flipped, signs, (mode, *activation))
        if record:
            pad, shift = (
                (downs[0] - 1, downs[-1] - 1),
                (top - ups[0] + 1, left - ups[0] + 1),
            )
            ctx.plan = _plan(out, grid, size, (down, up), pad, shift, downs, ups)
            ctx.activation = BACKWARD, *activation
            ctx.save_for_backward(up_filter, down_filter, signs)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        up_filter, down_filter, signs = ctx.saved_tensors
        x_grad = _run(
            ctx.plan,
            grad,
            grad.new_zeros(1),
            down_filter,
            up_filter,
            signs,
            ctx.activation,
        )
        return x_grad, x_grad.sum((0, 2, 3)), *[None] * 6


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
) -> torch.Tensor:
    """Adds bias, upsamples, applies a leaky relu, gain and clamp, downsamples (arXiv 2106.12423, section 3.2).

    x: float32 [n, c, h, w] on the CPU; bias: [c]. up_filter: [taps] of unit sum, applied along both axes after
    inserting up - 1 zeros and padding (left, right, top, bottom; negative crops); down_filter: [taps], or
    [taps, taps]; None is the identity. gain > 0, slope >= 0; clamp: largest magnitude before downsampling, or None.
    Returns [n, c, (h * up + top + bottom - up_taps - down_taps + 1) // down + 1, ...]. Differentiable once, in x and
    bias. Raises ValueError for what it doesn't compute.
    """
    if x.device.type != "cpu" or x.dtype != torch.float32 or gain <= 0 or slope < 0:
        raise ValueError(
            f"needs float32 on the CPU, a gain > 0, a slope >= 0: {x.dtype}, {x.device}, {gain}, {slope}"
        )
    one = torch.ones(1)
    bias = x.new_zeros(x.shape[1]) if bias is None else bias
    ups = (one if up_filter is None else up_filter) * (
        up * math.sqrt(gain)
    )  # each axis has half of the gain
    downs = one if down_filter is None else down_filter
    record = torch.is_grad_enabled() and (x.requires_grad or bias.requires_grad)
    activation = float(slope), math.inf if clamp is None else float(clamp)
    return _FilteredLRelu.apply(
        x, bias, ups, downs, (up, down), padding, activation, record
    )
