"""Which samples the fused kernel reads for each sample that it writes, and with which taps of the filters."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.generator.fused_kernel import Geometry, Taps

_Reads = list[tuple[int, int]]  # (sample, tap): what one sample is the weighted sum of


class TapLists(NamedTuple):
    """Lists of taps: where each reads, and the weight's index in the flattened filter, -1 for no weight."""

    places: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int64]
    length: int  # in each list

    def of(self, weights: npt.NDArray[np.float32]) -> tuple[Taps, npt.NDArray[np.float32]]:
        """The kernel's view of the lists for a filter's flat weights, and the array that it points into."""
        values = np.append(weights, np.float32(0))[self.weights]
        return Taps(self.places.ctypes.data, values.ctypes.data, self.length), values


class Plan(NamedTuple):
    """All that the sizes of a resampling determine."""

    geometry: Geometry
    across: TapLists
    upward: TapLists
    downward: TapLists
    back: TapLists


@lru_cache(maxsize=512)
def plan_resampling(
    size: tuple[int, int],
    grid: tuple[int, int],
    out: tuple[int, int],
    factors: tuple[int, int],
    pad: tuple[int, int],
    shift: tuple[int, int],
    up_taps: tuple[int, ...],
    down_taps: tuple[int, ...],
) -> Plan:
    """size, grid (upsampled), out: (height, width); factors: (up, down); pad, shift: (y, x); taps: the filters' shapes.

    Upsampled sample m of an axis is the sum of filter[k] * input[i] over up * i - m + pad = k;
    output sample j is the sum of filter[k] * upsampled[down * j + shift + k].
    """
    up, down = factors
    phases = math.lcm(up, down)
    in_phases, out_phases = phases // up, phases // down
    rise = [_upsampling_reads(q, up, pad[1], up_taps[-1]) for q in range(phases)]
    fall = [[(down * s + shift[1] + k, k) for k in range(down_taps[-1])] for s in range(out_phases)]
    wide_stride = _round_up(_ceil(grid[1], phases))
    in_margin, in_end = _extent(rise, in_phases, wide_stride)
    in_stride = _round_up(in_margin + max(in_end, _ceil(size[1], in_phases)))
    out_stride = _round_up(_ceil(out[1], out_phases))
    grid_margin, grid_end = _extent(fall, phases, out_stride)
    grid_margin = _round_up(grid_margin)
    grid_stride = _round_up(grid_margin + max(grid_end, wide_stride))
    wide_row = phases * wide_stride if len(up_taps) == 1 else in_phases * in_stride
    grid_row = phases * grid_stride
    geometry = Geometry(
        *size, *out, grid[0], up, down, pad[0], shift[0], in_phases, phases, out_phases, in_margin, in_stride,
        wide_stride, grid_margin, grid_stride, out_stride, _ceil(up_taps[0], up), down_taps[0], wide_row, grid_row,
    )  # fmt: skip
    rise = [[(i % in_phases * in_stride + i // in_phases + in_margin, k) for i, k in reads] for reads in rise]
    fall = [[(m % phases * grid_stride + m // phases + grid_margin, k) for m, k in reads] for reads in fall]
    rows_up = [[(n * wide_row, k) for n, k in enumerate(range(first, up_taps[0], up))] for first in range(up)]
    rows_down = [(k * grid_row, k) for k in range(down_taps[0])]
    if len(up_taps) == 1:
        across = rise
        upward = [[(place + q * wide_stride, k) for place, k in rows] for rows in rows_up for q in range(phases)]
    else:
        across, upward = [], [_product(rows, reads, up_taps[1]) for rows in rows_up for reads in rise]
    if len(down_taps) == 1:
        downward, back = [rows_down], fall
    else:
        downward, back = [], [_product(rows_down, reads, down_taps[1]) for reads in fall]
    return Plan(geometry, _tap_lists(across), _tap_lists(upward), _tap_lists(downward), _tap_lists(back))


def _ceil(value: int, divisor: int) -> int:
    return -(-value // divisor)


def _round_up(value: int) -> int:
    return _ceil(value, 8) * 8


def _upsampling_reads(m: int, up: int, pad: int, taps: int) -> _Reads:
    first = _ceil(m - pad, up)
    return [(first + n, k) for n, k in enumerate(range(up * first - m + pad, taps, up))]


def _extent(lists: list[_Reads], phases: int, length: int) -> tuple[int, int]:
    """How far, within a phase, reading `length` samples reaches before its start, and its end."""
    samples = [sample // phases for reads in lists for sample, _ in reads]
    return max(0, -min(samples, default=0)), max(samples, default=0) + length


def _product(rows: _Reads, columns: _Reads, width: int) -> _Reads:
    return [(row + column, ky * width + kx) for row, ky in rows for column, kx in columns]


def _tap_lists(lists: list[_Reads]) -> TapLists:
    count = max(map(len, lists), default=0)
    flat = np.array([pair for reads in lists for pair in reads + [(0, -1)] * (count - len(reads))], np.int64)
    places, weights = np.ascontiguousarray(flat.reshape(-1, 2).T)
    return TapLists(places, weights, count)
