"""The filtered leaky relu on the CPU: one pass over each plane whose upsampled rows never leave the cache.

A resampling is a weighted sum of shifted copies of rows. Each row is held as `phases` separate sequences (every second
or fourth sample), so that up- and downsampling read and write contiguous vectors and nothing is interleaved.
The gradient is the same operation with the filters swapped and the recorded derivative as activation.
Every sum has one order, whatever the number of threads.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from numba import njit
from torch.autograd.function import once_differentiable

from models.generator.lanes import apply_signs, leaky_clamp, load, multiply_add, peek, store, store_signs, zero

Padding = tuple[int, int, int, int]
FORWARD, RECORDING, BACKWARD = range(3)
_jit = njit(nogil=True, cache=True, error_model="numpy")
_inline = njit(forceinline=True, error_model="numpy")


class Geometry(NamedTuple):
    """Sizes in samples. A row is held as a number of phases; the space between their starts is a stride."""

    height: int
    width: int
    out_height: int
    out_width: int
    grid_height: int  # of the upsampled plane
    up: int
    down: int
    pad: int  # above the plane, when zero-inserted
    shift: int  # upsampled row at which output row 0 begins to read; may be negative
    in_phases: int
    phases: int  # up * in_phases == down * out_phases
    out_phases: int
    in_margin: int  # zeros before each phase
    in_stride: int
    wide_stride: int
    grid_margin: int
    grid_stride: int
    out_stride: int
    up_rows: int  # input rows that an upsampled row reads
    down_rows: int  # upsampled rows that an output row reads


class Taps(NamedTuple):
    """Equally long lists of taps, one after another: a place relative to the row's start, and a weight."""

    places: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    count: int  # in a list; 0: this step is left out, its neighbour's taps are two-dimensional


@_inline
def _sum_four(source, at, taps, t, end):  # type: ignore[no-untyped-def]
    a = b = c = d = zero()
    while t < end:
        w = peek(taps.weights, t)
        s = at + peek(taps.places, t)
        a = multiply_add(w, load(source, s), a)
        b = multiply_add(w, load(source, s + 8), b)
        c = multiply_add(w, load(source, s + 16), c)
        d = multiply_add(w, load(source, s + 24), d)
        t += 1
    return a, b, c, d


@_inline
def _sum_one(source, at, taps, t, end):  # type: ignore[no-untyped-def]
    a = zero()
    while t < end:
        a = multiply_add(peek(taps.weights, t), load(source, at + peek(taps.places, t)), a)
        t += 1
    return a


@_inline
def _filter_row(target, to, length, source, at, taps, phase):  # type: ignore[no-untyped-def]
    """target[to + x] = sum over t of weights[t] * source[at + places[t] + x] for x < length, a multiple of 8."""
    t, end = phase * taps.count, (phase + 1) * taps.count
    x = 0
    while x + 32 <= length:
        a, b, c, d = _sum_four(source, at + x, taps, t, end)
        store(target, to + x, a)
        store(target, to + x + 8, b)
        store(target, to + x + 16, c)
        store(target, to + x + 24, d)
        x += 32
    while x < length:
        store(target, to + x, _sum_one(source, at + x, taps, t, end))
        x += 8


@_inline
def _activate(target, to, mirror, lanes, signs, sign, activation):  # type: ignore[no-untyped-def]
    mode, slope, limit = activation
    if mode == BACKWARD:
        y = apply_signs(signs, sign, lanes, slope)
    else:
        if mode == RECORDING:
            store_signs(signs, sign, lanes, slope, limit)
        y = leaky_clamp(lanes, slope, limit)
    store(target, to, y)
    store(target, to + mirror, y)


@_inline
def _filter_activate_row(target, to, mirror, length, source, at, taps, phase, signs, sign, activation):  # type: ignore[no-untyped-def]
    """As `_filter_row`, then the activation; writes at `to` and again at `to + mirror`."""
    t, end = phase * taps.count, (phase + 1) * taps.count
    x = 0
    while x + 32 <= length:
        a, b, c, d = _sum_four(source, at + x, taps, t, end)
        s = sign + x // 4
        _activate(target, to + x, mirror, a, signs, s, activation)
        _activate(target, to + x + 8, mirror, b, signs, s + 2, activation)
        _activate(target, to + x + 16, mirror, c, signs, s + 4, activation)
        _activate(target, to + x + 24, mirror, d, signs, s + 6, activation)
        x += 32
    while x < length:
        a = _sum_one(source, at + x, taps, t, end)
        _activate(target, to + x, mirror, a, signs, sign + x // 4, activation)
        x += 8


@_inline
def _split_row(target, to, row, bias, g):  # type: ignore[no-untyped-def]
    """Writes row + bias as `in_phases` sequences; the margins around them stay zero."""
    if g.in_phases == 1:
        for i in range(g.width):
            target[to + g.in_margin + i] = row[i] + bias
    else:
        for i in range(g.width):
            target[to + (i % g.in_phases) * g.in_stride + g.in_margin + i // g.in_phases] = row[i] + bias


@_jit
def _resample(first, last, x, bias, y, signs, activation, g, across, upward, downward, back):  # type: ignore[no-untyped-def]
    """Planes first..last: x [planes, height, width] -> y [planes, out_height, out_width]; signs: see `_sign_shape`."""
    wide_row = g.phases * g.wide_stride if across.count else g.in_phases * g.in_stride
    grid_row = g.phases * g.grid_stride
    split = np.zeros(g.in_phases * g.in_stride, np.float32)
    wide = np.zeros(2 * g.up_rows * wide_row, np.float32)  # rings of rows, each twice, so that a window is contiguous
    grid = np.zeros(2 * g.down_rows * grid_row, np.float32)
    low = np.zeros(grid_row, np.float32)
    out = np.zeros(g.out_phases * g.out_stride, np.float32)
    wide_mirror, grid_mirror = g.up_rows * wide_row, g.down_rows * grid_row
    flat_signs = signs.reshape(signs.size)
    for plane in range(first, last):
        plane_bias = bias[plane % len(bias)]
        plane_signs = plane * g.grid_height * g.phases * g.wide_stride // 4
        m = g.shift  # next upsampled row
        i = -((g.pad - max(m, 0)) // g.up)  # next input row
        for j in range(g.out_height):
            while m < j * g.down + g.shift + g.down_rows:
                to = (m - g.shift) % g.down_rows * grid_row
                if 0 <= m < g.grid_height:
                    begin = -((g.pad - m) // g.up)
                    while i < begin + g.up_rows:
                        slot = i % g.up_rows * wide_row
                        if not 0 <= i < g.height:
                            wide[slot : slot + wide_row] = 0
                        elif across.count:
                            _split_row(split, 0, x[plane, i], plane_bias, g)
                            for q in range(g.phases):
                                _filter_row(wide, slot + q * g.wide_stride, g.wide_stride, split, 0, across, q)
                        else:
                            _split_row(wide, slot, x[plane, i], plane_bias, g)
                        wide[wide_mirror + slot : wide_mirror + slot + wide_row] = wide[slot : slot + wide_row]
                        i += 1
                    at = begin % g.up_rows * wide_row
                    phase = (g.pad - m) % g.up * g.phases
                    sign = plane_signs + m * g.phases * g.wide_stride // 4
                    for q in range(g.phases):
                        _filter_activate_row(
                            grid, to + q * g.grid_stride + g.grid_margin, grid_mirror, g.wide_stride,
                            wide, at, upward, phase + q, flat_signs, sign + q * g.wide_stride // 4, activation,
                        )  # fmt: skip
                else:
                    grid[to : to + grid_row] = 0
                    grid[grid_mirror + to : grid_mirror + to + grid_row] = 0
                m += 1
            at = j * g.down % g.down_rows * grid_row
            if downward.count:
                _filter_row(low, 0, grid_row, grid, at, downward, 0)
            for s in range(g.out_phases):
                if downward.count:
                    _filter_row(out, s * g.out_stride, g.out_stride, low, 0, back, s)
                else:
                    _filter_row(out, s * g.out_stride, g.out_stride, grid, at, back, s)
                for n in range((g.out_width - s + g.out_phases - 1) // g.out_phases):
                    y[plane, j, n * g.out_phases + s] = out[s * g.out_stride + n]


class Resampling(NamedTuple):
    """What the sizes alone determine. A tap list holds (place, index into the flat filter), -1 where it ends early."""

    geometry: Geometry
    across: npt.NDArray[np.int64]  # [lists, taps, 2]
    upward: npt.NDArray[np.int64]
    downward: npt.NDArray[np.int64]
    back: npt.NDArray[np.int64]


def _ceil(value: int, divisor: int) -> int:
    return -(-value // divisor)


def _round_up(value: int) -> int:
    return _ceil(value, 8) * 8


def _table(lists: list[list[tuple[int, int]]]) -> npt.NDArray[np.int64]:
    count = max(map(len, lists), default=0)
    return np.array([taps + [(0, -1)] * (count - len(taps)) for taps in lists], np.int64).reshape(len(lists), count, 2)


@lru_cache(maxsize=512)
def _plan(
    size: tuple[int, int], grid: tuple[int, int], out: tuple[int, int],
    up: int, down: int, pad: tuple[int, int], shift: tuple[int, int],
    up_taps: tuple[int, ...], down_taps: tuple[int, ...],
) -> Resampling:  # fmt: skip
    """Sizes are (height, width), pad and shift (y, x); taps are the shapes of the filters, 1-D if separable.

    Upsampled sample m of an axis is the sum of filter[k] * input[i] over up * i - m + pad = k;
    output sample j is the sum of filter[k] * upsampled[down * j + shift + k].
    """
    phases = math.lcm(up, down)
    in_phases, out_phases = phases // up, phases // down
    # Horizontally: for each phase of the upsampled row, (input sample, tap); for each of the output row, (upsampled, tap).
    firsts = [-((pad[1] - q) // up) for q in range(phases)]
    rise = [
        [(i, up * i - q + pad[1]) for i in range(firsts[q], firsts[q] + _ceil(up_taps[-1], up))] for q in range(phases)
    ]
    rise = [[(i, k) for i, k in taps if k < up_taps[-1]] for taps in rise]
    fall = [[(down * s + shift[1] + k, k) for k in range(down_taps[-1])] for s in range(out_phases)]
    wide_stride = _round_up(_ceil(grid[1], phases))
    in_margin = max(0, -(min(i for taps in rise for i, _ in taps) // in_phases))
    in_last = max(_ceil(size[1], in_phases), max(i for taps in rise for i, _ in taps) // in_phases + wide_stride)
    out_stride = _round_up(_ceil(out[1], out_phases))
    grid_margin = _round_up(max(0, -(min(m for taps in fall for m, _ in taps) // phases)))
    grid_last = max(wide_stride, max(m for taps in fall for m, _ in taps) // phases + out_stride)
    in_stride, grid_stride = in_margin + in_last, _round_up(grid_margin + grid_last)

    def in_place(i: int) -> int:
        return i % in_phases * in_stride + i // in_phases + in_margin

    def grid_place(m: int) -> int:
        return m % phases * grid_stride + m // phases + grid_margin

    rows = range(_ceil(up_taps[0], up))
    grid_row, wide_row, in_row = phases * grid_stride, phases * wide_stride, in_phases * in_stride
    across: list[list[tuple[int, int]]] = []
    downward: list[list[tuple[int, int]]] = []
    columns = [(k0, q) for k0 in range(up) for q in range(phases)]
    if len(up_taps) == 1:
        across = [[(in_place(i), k) for i, k in taps] for taps in rise]
        upward = [
            [(n * wide_row + q * wide_stride, k0 + up * n) for n in rows if k0 + up * n < up_taps[0]]
            for k0, q in columns
        ]
    else:
        upward = [
            [
                (n * in_row + in_place(i), (k0 + up * n) * up_taps[1] + k)
                for n in rows
                if k0 + up * n < up_taps[0]
                for i, k in rise[q]
            ]
            for k0, q in columns
        ]
    if len(down_taps) == 1:
        downward = [[(k * grid_row, k) for k in range(down_taps[0])]]
        back = [[(grid_place(m), k) for m, k in taps] for taps in fall]
    else:
        back = [
            [(n * grid_row + grid_place(m), n * down_taps[1] + k) for n in range(down_taps[0]) for m, k in taps]
            for taps in fall
        ]
    geometry = Geometry(
        *size, *out, grid[0], up, down, pad[0], shift[0], in_phases, phases, out_phases, in_margin, in_stride,
        wide_stride, grid_margin, grid_stride, out_stride, len(rows), down_taps[0],
    )  # fmt: skip
    return Resampling(geometry, _table(across), _table(upward), _table(downward), _table(back))


def _run(plan: Resampling, x: torch.Tensor, bias: torch.Tensor, up_filter: torch.Tensor, down_filter: torch.Tensor,
         scale: tuple[float, float], signs: torch.Tensor, activation: tuple[int, float, float]) -> torch.Tensor:  # fmt: skip
    """x: float32 [n, c, h, w] contiguous -> [n, c, out_height, out_width]; scale multiplies each filter."""
    g = plan.geometry
    y = x.new_empty(*x.shape[:2], g.out_height, g.out_width)
    planes = x.shape[0] * x.shape[1]
    if not y.numel():
        return y
    tables = []
    for lists, taps, gain in (
        (plan.across, up_filter, 1.0),
        (plan.upward, up_filter, scale[0]),
        (plan.downward, down_filter, 1.0),
        (plan.back, down_filter, scale[1]),
    ):
        values = np.append(taps.detach().numpy().ravel() * np.float32(gain), np.float32(0))
        tables.append(Taps(lists[..., 0].ravel(), values[lists[..., 1].ravel()], lists.shape[1]))
    arguments = (
        x.detach().view(planes, g.height, g.width).numpy(), bias.detach().numpy(),
        y.view(planes, g.out_height, g.out_width).numpy(), signs.numpy(), activation, g, *tables,
    )  # fmt: skip
    threads = min(torch.get_num_threads(), planes)
    if threads == 1:
        _resample(0, planes, *arguments)
        return y
    edges = [planes * t // threads for t in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(_resample, a, b, *arguments) for a, b in zip(edges[:-1], edges[1:], strict=True)]:
            done.result()
    return y


class _FilteredLRelu(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, bias: torch.Tensor, up_filter: torch.Tensor, down_filter: torch.Tensor,
        up: int, down: int, padding: Padding, gain: float, slope: float, limit: float, record: bool,
    ) -> torch.Tensor:  # fmt: skip
        left, right, top, bottom = padding
        height, width = x.shape[2:]
        up_taps, down_taps = tuple(up_filter.shape), tuple(down_filter.shape)
        grid = height * up + top + bottom - up_taps[0] + 1, width * up + left + right - up_taps[-1] + 1
        out = (grid[0] - down_taps[0]) // down + 1, (grid[1] - down_taps[-1]) // down + 1
        plan = _plan((height, width), grid, out, up, down, (top, left), (0, 0), up_taps, down_taps)
        g = plan.geometry
        signs = x.new_empty(
            len(x) * x.shape[1] * g.grid_height * g.phases * g.wide_stride // 4 if record else 0, dtype=torch.uint8
        )
        mode = RECORDING if record else FORWARD
        scale = up * up * gain, 1.0
        y = _run(
            plan,
            x.contiguous(),
            bias,
            up_filter.flip(-1),
            down_filter.flip(*range(down_filter.ndim)),
            scale,
            signs,
            (mode, slope, limit),
        )
        if record:
            back = (top - up_taps[0] + 1, left - up_taps[-1] + 1)
            lead = (down_taps[0] - 1, down_taps[-1] - 1)
            ctx.plan = _plan(out, grid, (height, width), down, up, lead, back, down_taps, up_taps)
            ctx.scale = scale[::-1]
            ctx.activation = BACKWARD, slope, limit
            ctx.save_for_backward(up_filter, down_filter, signs)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        up_filter, down_filter, signs = ctx.saved_tensors
        zero_bias = grad.new_zeros(1)
        x_grad = _run(ctx.plan, grad.contiguous(), zero_bias, down_filter, up_filter, ctx.scale, signs, ctx.activation)
        return x_grad, x_grad.sum((0, 2, 3)), *[None] * 9


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
    inserting up - 1 zeros and padding (left, right, top, bottom; negative crops); down_filter: [taps], or [taps, taps];
    None is the identity. gain > 0, slope >= 0; clamp: largest magnitude before downsampling, or None.
    Returns [n, c, (h * up + top + bottom - up_taps - down_taps + 1) // down + 1, ...]. Differentiable once, in x and bias.
    Raises ValueError for what it doesn't compute.
    """
    if x.device.type != "cpu" or x.dtype != torch.float32 or gain <= 0 or slope < 0:
        raise ValueError(
            f"needs float32 on the CPU, gain > 0, slope >= 0; got {x.dtype} on {x.device}, {gain}, {slope}"
        )
    one = torch.ones(1)
    bias = x.new_zeros(x.shape[1]) if bias is None else bias
    record = torch.is_grad_enabled() and (x.requires_grad or bias.requires_grad)
    return _FilteredLRelu.apply(
        x, bias, one if up_filter is None else up_filter, one if down_filter is None else down_filter,
        up, down, padding, float(gain), float(slope), math.inf if clamp is None else float(clamp), record,
    )  # fmt: skip
