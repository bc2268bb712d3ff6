"""Weighted sums of shifted copies of a row, which all of a resampling's filters are.

Two targets are made at once, since their sources or their weights are the same. Every sum has one
order, whatever the number of threads. Arrays are addresses in bytes.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.kernels.simd import function, inline, load, multiply_add, peek, peek_place, splat, store

_ZERO = np.float32(0)


class Taps(NamedTuple):
    """Equally long lists of taps, one after another."""

    places: int  # int64: relative to the source's start
    weights: int  # float32: one for each place or, where two targets share the places, two
    length: int  # of a list; 0: this step is left out, for its neighbour's taps are two-dimensional


@inline
def _sum_two(source, other, v_weights, w_weights, step, places, t, end):
    """16 samples for each of two targets, whose sources or whose weights may be the same."""
    a = b = splat(_ZERO)
    while t < end:
        place, v, w = peek_place(places, t), peek(v_weights, step * t), peek(w_weights, step * t)
        a = multiply_add(v, load(source, place), a)
        b = multiply_add(w, load(other, place), b)
        t += 1
    return a, b


@inline
def _sum_four(source, other, v_weights, w_weights, step, places, t, end):
    """Sums as `_sum_two`, 32 samples: in registers of 8 lanes enough sums in flight to hide a
    multiplication's latency."""
    a = b = c = d = splat(_ZERO)
    while t < end:
        place, v, w = peek_place(places, t), peek(v_weights, step * t), peek(w_weights, step * t)
        a = multiply_add(v, load(source, place), a)
        b = multiply_add(w, load(other, place), b)
        c = multiply_add(v, load(source, place + 16), c)
        d = multiply_add(w, load(other, place + 16), d)
        t += 1
    return a, b, c, d


@inline
def _store_pair(first, second, x, a, b):
    store(first, x, a)
    store(second, x, b)


@inline
def _filter(first, second, source, other, length, v_weights, w_weights, step, places, t, end):
    """target[x] = sum over t of weights[t] * source[places[t] + x] for two targets; length: a
    multiple of 16."""
    x = 0
    while x + 32 <= length:
        at = source + 4 * x, other + 4 * x
        a, b, c, d = _sum_four(*at, v_weights, w_weights, step, places, t, end)
        _store_pair(first, second, x, a, b)
        _store_pair(first, second, x + 16, c, d)
        x += 32
    if x < length:
        at = source + 4 * x, other + 4 * x
        a, b = _sum_two(*at, v_weights, w_weights, step, places, t, end)
        _store_pair(first, second, x, a, b)


@function
def filter_one_source(first, second, source, length, taps, index):
    """`_filter` with one source and two lists of weights, one after the other's place."""
    t, end = index * taps.length, (index + 1) * taps.length
    _filter(
        first,
        second,
        source,
        source,
        length,
        taps.weights,
        taps.weights + 4,
        2,
        taps.places,
        t,
        end,
    )


@function
def filter_one_list(first, second, source, other, length, taps, index):
    """`_filter` with a source for each target and the same weights."""
    t, end = index * taps.length, (index + 1) * taps.length
    _filter(
        first, second, source, other, length, taps.weights, taps.weights, 1, taps.places, t, end
    )
