"""The resampling kernel behind `fused`: one pass over each plane whose upsampled rows never leave the cache.

A resampling is a weighted sum of shifted copies of rows. Each row is held as `phases` separate sequences (every second
or fourth sample), so that up- and downsampling read and write contiguous vectors and nothing is interleaved. Every sum
has one order, whatever the number of threads. Arrays are addresses in bytes.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from models.generator.lanes import (
    apply_signs,
    leaky_clamp,
    load,
    multiply_add,
    peek,
    peek_place,
    poke,
    splat,
    store,
    store_signs,
)

FORWARD, RECORDING, BACKWARD = range(3)
_ZERO, _ONE = np.float32(0), np.float32(1)
_function = njit(nogil=True, error_model="numpy")
_inline = njit(nogil=True, error_model="numpy", forceinline=True)


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
    wide_row: int  # samples in a horizontally upsampled row
    grid_row: int  # in an upsampled row

    @property
    def scratch(self) -> int:
        """Samples of zeroed memory that a call needs: an input row, two rings of rows, two more rows."""
        rings = 2 * self.up_rows * self.wide_row + 2 * self.down_rows * self.grid_row
        return self.in_phases * self.in_stride + rings + self.grid_row + self.out_phases * self.out_stride

    @property
    def plane_signs(self) -> int:
        """Bytes that record the activation of a plane: two bits a sample."""
        return self.grid_height * self.phases * self.wide_stride // 4


class Taps(NamedTuple):
    """Equally long lists of taps, one after another."""

    places: int  # int64: relative to the row's start
    weights: int  # float32
    length: int  # in a list; 0: this step is left out, for its neighbour's taps are two-dimensional


@_inline
def _sum_four(source, taps, t, end):
    a = b = c = d = splat(_ZERO)
    while t < end:
        w = peek(taps.weights, t)
        place = peek_place(taps.places, t)
        a = multiply_add(w, load(source, place), a)
        b = multiply_add(w, load(source, place + 8), b)
        c = multiply_add(w, load(source, place + 16), c)
        d = multiply_add(w, load(source, place + 24), d)
        t += 1
    return a, b, c, d


@_inline
def _sum_one(source, taps, t, end):
    a = splat(_ZERO)
    while t < end:
        a = multiply_add(peek(taps.weights, t), load(source, peek_place(taps.places, t)), a)
        t += 1
    return a


@_function
def _filter_row(target, source, length, taps, index):
    """target[x] = sum over t of weights[t] * source[places[t] + x] for x < length, a multiple of 8."""
    t, end = index * taps.length, (index + 1) * taps.length
    x = 0
    while x + 32 <= length:
        a, b, c, d = _sum_four(source + 4 * x, taps, t, end)
        store(target, x, a)
        store(target, x + 8, b)
        store(target, x + 16, c)
        store(target, x + 24, d)
        x += 32
    while x < length:
        store(target, x, _sum_one(source + 4 * x, taps, t, end))
        x += 8


@_inline
def _activate(target, mirror, x, lanes, signs, mode, slope, limit):
    if mode == BACKWARD:
        y = apply_signs(signs, x // 4, lanes, slope)
    else:
        if mode == RECORDING:
            store_signs(signs, x // 4, lanes, slope, limit)
        y = leaky_clamp(lanes, slope, limit)
    store(target, x, y)
    store(mirror, x, y)


@_function
def _filter_activate_row(target, mirror, source, length, taps, index, signs, mode, slope, limit):
    """As `_filter_row`, then the activation; writes at target and at mirror."""
    t, end = index * taps.length, (index + 1) * taps.length
    x = 0
    while x + 32 <= length:
        a, b, c, d = _sum_four(source + 4 * x, taps, t, end)
        _activate(target, mirror, x, a, signs, mode, slope, limit)
        _activate(target, mirror, x + 8, b, signs, mode, slope, limit)
        _activate(target, mirror, x + 16, c, signs, mode, slope, limit)
        _activate(target, mirror, x + 24, d, signs, mode, slope, limit)
        x += 32
    while x < length:
        _activate(
            target,
            mirror,
            x,
            _sum_one(source + 4 * x, taps, t, end),
            signs,
            mode,
            slope,
            limit,
        )
        x += 8


@_function
def _copy_row(target, source, length, bias):
    """target[x] = source[x] + bias."""
    lanes = splat(bias)
    x = 0
    while x + 8 <= length:
        store(target, x, multiply_add(_ONE, load(source, x), lanes))
        x += 8
    while x < length:
        poke(target, x, peek(source, x) + bias)
        x += 1


@_function
def _fill_row(target, length):
    for x in range(0, length, 8):
        store(target, x, splat(_ZERO))


@_function
def _split_row(target, source, bias, g):
    """Writes source + bias as `in_phases` sequences; the margins around them stay zero."""
    if g.in_phases == 1:
        _copy_row(target + 4 * g.in_margin, source, g.width, bias)
    else:
        for s in range(g.in_phases):
            to = target + 4 * (s * g.in_stride + g.in_margin)
            for n in range((g.width - s + g.in_phases - 1) // g.in_phases):
                poke(to, n, peek(source, n * g.in_phases + s) + bias)


@_function
def _join_row(target, source, g):
    """Interleaves the `out_phases` sequences of source."""
    if g.out_phases == 1:
        _copy_row(target, source, g.out_width, _ZERO)
    else:
        for s in range(g.out_phases):
            for n in range((g.out_width - s + g.out_phases - 1) // g.out_phases):
                poke(target, n * g.out_phases + s, peek(source, s * g.out_stride + n))


@_function
def _widen(target, mirror, source, split, bias, across, g):
    """One input row, upsampled horizontally where the filter is separable, else split."""
    if across.length:
        _split_row(split, source, bias, g)
        for q in range(g.phases):
            _filter_row(target + 4 * q * g.wide_stride, split, g.wide_stride, across, q)
    else:
        _split_row(target, source, bias, g)
    _copy_row(mirror, target, g.wide_row, _ZERO)


@njit(nogil=True, cache=True, error_model="numpy")
def resample(
    first,
    last,
    x,
    bias,
    channels,
    y,
    signs,
    scratch,
    mode,
    slope,
    limit,
    g,
    across,
    upward,
    downward,
    back,
):
    """Filters the planes first .. last of x [planes, height, width] into y [planes, out_height, out_width].

    bias: float32 [channels], for plane % channels; signs: two bits a sample, written if mode is RECORDING, read if it
    is BACKWARD; scratch: zeros. Weights: across, upward: upsampling; downward, back: downsampling, rows first.
    """
    slope, limit = np.float32(slope), np.float32(limit)
    # Rings hold each row twice, so that any window of rows is contiguous.
    wide = scratch + 4 * g.in_phases * g.in_stride
    grid = wide + 8 * g.up_rows * g.wide_row
    low = grid + 8 * g.down_rows * g.grid_row
    out = low + 4 * g.grid_row
    wide_ring, grid_ring = 4 * g.up_rows * g.wide_row, 4 * g.down_rows * g.grid_row
    for plane in range(first, last):
        m = g.shift  # next upsampled row
        i = -((g.pad - max(m, 0)) // g.up)  # next input row
        for j in range(g.out_height):
            while m < j * g.down + g.shift + g.down_rows:
                to = grid + 4 * ((m - g.shift) % g.down_rows * g.grid_row)
                if 0 <= m < g.grid_height:
                    begin = -((g.pad - m) // g.up)
                    while i < begin + g.up_rows:
                        slot = wide + 4 * (i % g.up_rows * g.wide_row)
                        if 0 <= i < g.height:
                            row = x + 4 * (plane * g.height + i) * g.width
                            _widen(
                                slot,
                                slot + wide_ring,
                                row,
                                scratch,
                                peek(bias, plane % channels),
                                across,
                                g,
                            )
                        else:
                            _fill_row(slot, g.wide_row)
                            _fill_row(slot + wide_ring, g.wide_row)
                        i += 1
                    at = wide + 4 * (begin % g.up_rows * g.wide_row)
                    index = (g.pad - m) % g.up * g.phases
                    sign = signs + (plane * g.grid_height + m) * g.phases * g.wide_stride // 4
                    for q in range(g.phases):
                        place = to + 4 * (q * g.grid_stride + g.grid_margin)
                        bits = sign + q * g.wide_stride // 4
                        _filter_activate_row(
                            place,
                            place + grid_ring,
                            at,
                            g.wide_stride,
                            upward,
                            index + q,
                            bits,
                            mode,
                            slope,
                            limit,
                        )
                else:
                    _fill_row(to, g.grid_row)
                    _fill_row(to + grid_ring, g.grid_row)
                m += 1
            window = grid + 4 * (j * g.down % g.down_rows * g.grid_row)
            if downward.length:
                _filter_row(low, window, g.grid_row, downward, 0)
                window = low
            for s in range(g.out_phases):
                _filter_row(out + 4 * s * g.out_stride, window, g.out_stride, back, s)
            _join_row(y + 4 * (plane * g.out_height + j) * g.out_width, out, g)
