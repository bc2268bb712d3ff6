"""The CPU kernels behind `deformable`: for each query, weighted bilinear samples of all levels,
eight channels at once.

Arrays are addresses in bytes, of contiguous float32: value [n, s, heads, channels], offsets [n, q,
heads, levels, points, 2] in pixels of the level, weights [n, q, heads, levels, points], centres [n,
q, levels, 2] in [0, 1] (x, y), out [n, q, heads, channels]. A call works on whole (image, head)
pairs: no two of them touch the same numbers, and every sum has one order, whatever the number of
threads.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.kernels.simd import (
    compiled,
    inline,
    lane_sum,
    multiply_add,
    multiply_add_lanes,
    peek,
    poke,
    store,
)
from models.kernels.simd import load_eight as load
from models.kernels.simd import splat_eight as splat

CORNERS = 4
_ZERO, _ONE = np.float32(0), np.float32(1)


class Sizes(NamedTuple):
    """Lengths of the arrays."""

    queries: int
    positions: int  # of all levels together
    heads: int
    channels: int  # of a head, a multiple of 8
    levels: int
    points: int


@inline
def _corner(value, level, x, y, stride):
    """Address of a pixel of a level (height, width, first position), 0 outside of it."""
    inside = 0 <= y < level[0] and 0 <= x < level[1]
    return value + 4 * stride * (level[2] + y * level[1] + x) if inside else 0


@inline
def _place(sizes, centres, offsets, levels, query, sample):
    """Level, left column, upper row and the fractions that a sample (level * points + point) lies
    beyond them."""
    number = sample // sizes.points
    level = levels[number]
    x = peek(centres, 2 * (query * sizes.levels + number)) * np.float32(level[1]) - np.float32(0.5)
    y = peek(centres, 2 * (query * sizes.levels + number) + 1) * np.float32(level[0]) - np.float32(
        0.5
    )
    x, y = x + peek(offsets, 2 * sample), y + peek(offsets, 2 * sample + 1)
    left, upper = np.floor(x), np.floor(y)
    return level, np.int64(left), np.int64(upper), x - left, y - upper


@inline
def _gather(sizes, value, centres, offsets, weights, levels, query, addresses, factors):
    """Addresses and factors of the pixels that a query sums; returns their number."""
    stride, count = sizes.heads * sizes.channels, 0
    for sample in range(sizes.levels * sizes.points):
        level, left, upper, fx, fy = _place(sizes, centres, offsets, levels, query, sample)
        weight = peek(weights, sample)
        for corner in range(CORNERS):
            right, lower = corner & 1, corner >> 1
            address = _corner(value, level, left + right, upper + lower, stride)
            if address:
                addresses[count] = address
                factors[count] = (
                    weight * (fx if right else _ONE - fx) * (fy if lower else _ONE - fy)
                )
                count += 1
    return count


@inline
def _sum_sixteen(addresses, factors, count, channel, target):
    a = b = c = d = splat(_ZERO)
    t = 0
    while t + 2 <= count:
        a = multiply_add(factors[t], load(addresses[t], channel), a)
        b = multiply_add(factors[t], load(addresses[t], channel + 8), b)
        c = multiply_add(factors[t + 1], load(addresses[t + 1], channel), c)
        d = multiply_add(factors[t + 1], load(addresses[t + 1], channel + 8), d)
        t += 2
    if t < count:
        a = multiply_add(factors[t], load(addresses[t], channel), a)
        b = multiply_add(factors[t], load(addresses[t], channel + 8), b)
    store(target, channel, multiply_add(_ONE, a, c))
    store(target, channel + 8, multiply_add(_ONE, b, d))


@inline
def _sum_eight(addresses, factors, count, channel, target):
    a = splat(_ZERO)
    for t in range(count):
        a = multiply_add(factors[t], load(addresses[t], channel), a)
    store(target, channel, a)


@compiled
def attend(first, last, sizes, levels, value, offsets, weights, centres, out):
    """Sums of the (image, head) pairs from `first` to before `last`; levels: int64 [levels, 3] of
    `_corner`."""
    samples = sizes.levels * sizes.points
    addresses, factors = (
        np.empty(CORNERS * samples, np.int64),
        np.empty(CORNERS * samples, np.float32),
    )
    for pair in range(first, last):
        image, head = pair // sizes.heads, pair % sizes.heads
        plane = value + 4 * sizes.channels * (image * sizes.positions * sizes.heads + head)
        for place in range(sizes.queries):
            query = image * sizes.queries + place
            row = query * sizes.heads + head
            at = offsets + 8 * samples * row, weights + 4 * samples * row
            count = _gather(sizes, plane, centres, *at, levels, query, addresses, factors)
            target = out + 4 * sizes.channels * row
            channel = 0
            while channel + 16 <= sizes.channels:
                _sum_sixteen(addresses, factors, count, channel, target)
                channel += 16
            if channel < sizes.channels:
                _sum_eight(addresses, factors, count, channel, target)


@inline
def _spread(address, gradient_address, out_gradient, factor, channels):
    """Adds factor * out_gradient to a pixel's gradient; returns the product of the pixel and
    out_gradient."""
    total = splat(_ZERO)
    for channel in range(0, channels, 8):
        lanes = load(out_gradient, channel)
        total = multiply_add_lanes(lanes, load(address, channel), total)
        store(
            gradient_address, channel, multiply_add(factor, lanes, load(gradient_address, channel))
        )
    return lane_sum(total)


@compiled
def attend_backward(
    first,
    last,
    sizes,
    levels,
    value,
    offsets,
    weights,
    centres,
    out_gradient,
    value_gradient,
    offset_gradient,
    weight_gradient,
):
    """Gradients of `attend`; value_gradient starts as zeros, the other two are overwritten."""
    samples, stride = sizes.levels * sizes.points, sizes.heads * sizes.channels
    for pair in range(first, last):
        image, head = pair // sizes.heads, pair % sizes.heads
        plane = 4 * sizes.channels * (image * sizes.positions * sizes.heads + head)
        for place in range(sizes.queries):
            query = image * sizes.queries + place
            row = query * sizes.heads + head
            gradient = out_gradient + 4 * sizes.channels * row
            for sample in range(samples):
                at = 4 * (samples * row + sample)
                level, left, upper, fx, fy = _place(
                    sizes, centres, offsets + 8 * samples * row, levels, query, sample
                )  # fmt: skip
                weight = peek(weights + at, 0)
                by_weight = by_x = by_y = _ZERO
                for corner in range(CORNERS):
                    right, lower = corner & 1, corner >> 1
                    address = _corner(value + plane, level, left + right, upper + lower, stride)
                    if address:
                        wx, wy = fx if right else _ONE - fx, fy if lower else _ONE - fy
                        product = _spread(
                            address,
                            value_gradient + (address - value),
                            gradient,
                            weight * wx * wy,
                            sizes.channels,
                        )
                        by_weight += wx * wy * product
                        by_x += (wy if right else -wy) * product
                        by_y += (wx if lower else -wx) * product
                poke(weight_gradient + at, 0, by_weight)
                poke(offset_gradient + 2 * at, 0, weight * by_x)
                poke(offset_gradient + 2 * at, 1, weight * by_y)
