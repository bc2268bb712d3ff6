"""The resampling kernel behind `fused`: one pass over each plane whose upsampled rows never leave
the cache.

A resampling is a weighted sum of shifted copies of rows. Each row is held as `phases` separate
sequences (every second or fourth sample), so that up- and downsampling read and write contiguous
vectors and nothing is interleaved. Arrays are addresses in bytes.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.kernels.filtered_lrelu.cpu_sums import filter_one_list, filter_one_source
from models.kernels.simd import (
    apply_signs,
    compiled,
    function,
    inline,
    leaky_clamp,
    load,
    load_eight,
    multiply_add,
    peek,
    poke,
    splat,
    splat_eight,
    store,
    store_signs,
)

FORWARD, RECORDING, BACKWARD = range(3)
_ZERO = np.float32(0)


class Geometry(NamedTuple):
    """Sizes in samples. A row is held as a number of phases; the space between their starts is a
    stride."""

    height: int
    width: int
    out_height: int
    out_width: int
    grid_height: int  # of the upsampled plane, even
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
    sign_row: int  # bytes that record the activation of an upsampled row: two bits a sample
    wide_row: int  # samples in a horizontally upsampled row
    wide_rows: int  # such rows that two upsampled rows read
    grid_row: int  # samples in an upsampled row
    grid_rows: int  # such rows, an even number, that two output rows read
    window: int  # upsampled rows from the first to the last that two output rows read

    @property
    def scratch(self) -> int:
        """Samples of zeroed memory that a call needs: an input row, two rings of rows, two pairs of
        rows."""
        rings = self.wide_rows * self.wide_row + self.grid_rows * self.grid_row
        return (
            self.in_phases * self.in_stride
            + rings
            + 2 * self.grid_row
            + 2 * self.out_phases * self.out_stride
        )

    @property
    def plane_signs(self) -> int:
        """Bytes that record the activation of a plane."""
        return self.grid_height * self.sign_row


@function
def _activate_row(row, length, signs, mode, slope, limit):
    """The activation, or its recorded derivative, in place."""
    for x in range(0, length, 16):
        lanes = load(row, x)
        if mode == RECORDING:
            store_signs(signs, x // 4, lanes, slope, limit)
        store(
            row,
            x,
            apply_signs(signs, x // 4, lanes, slope)
            if mode == BACKWARD
            else leaky_clamp(lanes, slope, limit),
        )


@function
def _scale_row(target, source, length, scale, bias):
    """target[x] = scale * source[x] + bias."""
    lanes, eight = splat(bias), splat_eight(bias)
    x = 0
    while x + 16 <= length:
        store(target, x, multiply_add(scale, load(source, x), lanes))
        x += 16
    if x + 8 <= length:
        store(target, x, multiply_add(scale, load_eight(source, x), eight))
        x += 8
    while x < length:
        poke(target, x, scale * peek(source, x) + bias)
        x += 1


@function
def _split_row(target, source, width, scale, bias, phases, stride):
    """Writes scale * source + bias as `phases` sequences."""
    if phases == 1:
        _scale_row(target, source, width, scale, bias)
    else:
        for s in range(phases):
            for n in range((width - s + phases - 1) // phases):
                poke(target, s * stride + n, scale * peek(source, n * phases + s) + bias)


@function
def _join_row(target, source, width, scale, phases, stride):
    """The inverse of `_split_row`, times scale."""
    if phases == 1:
        _scale_row(target, source, width, scale, _ZERO)
    else:
        for s in range(phases):
            for n in range((width - s + phases - 1) // phases):
                poke(target, n * phases + s, scale * peek(source, s * stride + n))


@function
def _clear_row(target, length):
    for x in range(0, length, 16):
        store(target, x, splat(_ZERO))


class _Buffers(NamedTuple):
    split: int  # an input row
    wide: int  # a ring of horizontally upsampled rows
    grid: int  # a ring of upsampled rows
    low: int  # two vertically downsampled rows
    out: int  # two output rows


@inline
def _widen_row(x, i, scale, bias, buffers, g, across):
    """Input row i, upsampled horizontally unless the filter isn't separable, into the first
    ring."""
    slot = buffers.wide + 4 * (i % g.wide_rows * g.wide_row)
    if not 0 <= i < g.height:
        _clear_row(slot, g.wide_row)
    elif across.length:
        split = buffers.split + 4 * g.in_margin
        _split_row(split, x + 4 * i * g.width, g.width, scale, bias, g.in_phases, g.in_stride)
        for q in range(0, g.phases, 2):
            to = slot + 4 * q * g.wide_stride
            filter_one_source(
                to, to + 4 * g.wide_stride, buffers.split, g.wide_stride, across, q // 2
            )
    else:
        _split_row(
            slot + 4 * g.in_margin,
            x + 4 * i * g.width,
            g.width,
            scale,
            bias,
            g.in_phases,
            g.in_stride,
        )


@inline
def _raise_rows(m, begin, buffers, g, upward, signs, mode, slope, limit):
    """Upsampled rows m and m + 1, the first of which reads input rows from `begin` on, into the
    second ring."""
    index = (begin % g.wide_rows * g.up + (g.pad - m) % g.up) * g.phases
    for q in range(g.phases):
        to = buffers.grid + 4 * (m % g.grid_rows * g.grid_row + q * g.grid_stride + g.grid_margin)
        bits = signs + m * g.sign_row + q * g.wide_stride // 4
        filter_one_source(to, to + 4 * g.grid_row, buffers.wide, g.wide_stride, upward, index + q)
        _activate_row(to, g.wide_stride, bits, mode, slope, limit)
        _activate_row(to + 4 * g.grid_row, g.wide_stride, bits + g.sign_row, mode, slope, limit)


@inline
def _lower_rows(start, buffers, g, downward, back):
    """The two output rows, in phases, the first of which reads upsampled rows from `start` on."""
    row, out_row = 4 * g.grid_row, 4 * g.out_phases * g.out_stride
    if downward.length:
        for q in range(g.phases):
            at = 4 * (q * g.grid_stride + g.grid_margin)
            to = buffers.low + at
            filter_one_source(
                to, to + row, buffers.grid + at, g.wide_stride, downward, start % g.grid_rows
            )
    for s in range(g.out_phases):
        to = buffers.out + 4 * s * g.out_stride
        if downward.length:
            filter_one_list(to, to + out_row, buffers.low, buffers.low + row, g.out_stride, back, s)
        else:
            index = start % g.grid_rows * g.out_phases + s
            filter_one_source(to, to + out_row, buffers.grid, g.out_stride, back, index)


@compiled
def resample_planes(
    first, last, x, scale, bias, channels, rescale, y, signs, scratch, mode, slope, limit,
    g, across, upward, downward, back,
):  # fmt: skip
    """Filters the planes first .. last of x [planes, height, width] into y [planes, out_height,
    out_width].

    scale: float32 [planes]; bias: [channels], for plane % channels; rescale: [planes], of the
    output; signs: two bits a sample, written if mode is RECORDING, read if it is BACKWARD; scratch:
    zeros. Rows are made in pairs, whose sources are the same but for the edges.
    """
    slope, limit = np.float32(slope), np.float32(limit)
    wide = scratch + 4 * g.in_phases * g.in_stride
    grid = wide + 4 * g.wide_rows * g.wide_row
    low = grid + 4 * g.grid_rows * g.grid_row
    buffers = _Buffers(scratch, wide, grid, low, low + 8 * g.grid_row)
    for plane in range(first, last):
        plane_x, plane_signs = (
            x + 4 * plane * g.height * g.width,
            signs + plane * g.grid_height * g.sign_row,
        )
        plane_scale, plane_bias = peek(scale, plane), peek(bias, plane % channels)
        m = g.shift // 2 * 2  # next upsampled row
        i = -((g.pad - max(m, 0)) // g.up)  # next input row
        for j in range(0, g.out_height, 2):
            start = j * g.down + g.shift
            while m < start + g.window:
                if 0 <= m < g.grid_height:
                    begin = -((g.pad - m) // g.up)
                    while i < begin + g.wide_rows:
                        _widen_row(plane_x, i, plane_scale, plane_bias, buffers, g, across)
                        i += 1
                    _raise_rows(m, begin, buffers, g, upward, plane_signs, mode, slope, limit)
                else:
                    _clear_row(grid + 4 * (m % g.grid_rows * g.grid_row), 2 * g.grid_row)
                m += 2
            _lower_rows(start, buffers, g, downward, back)
            for r in range(min(2, g.out_height - j)):
                row = y + 4 * (plane * g.out_height + j + r) * g.out_width
                out = buffers.out + 4 * r * g.out_phases * g.out_stride
                _join_row(row, out, g.out_width, peek(rescale, plane), g.out_phases, g.out_stride)
