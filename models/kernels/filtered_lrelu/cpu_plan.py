"""Which samples the fused kernel reads for each sample that it writes, and with which taps of the
filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.kernels.filtered_lrelu.cpu_kernel import Geometry
from models.kernels.filtered_lrelu.cpu_sums import Taps

_Reads = Sequence[tuple[int, int]]  # (place, tap): what a sample is the weighted sum of
_PairedReads = list[tuple[int, ...]]  # for two samples; -1 where one of them doesn't read the place


class TapLists(NamedTuple):
    """Lists of taps: where each reads, and the weights' indices in the flattened filter, -1 for no
    weight."""

    places: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int64]
    length: int  # of each list

    def of(self, weights: npt.NDArray[np.float32]) -> tuple[Taps, npt.NDArray[np.float32]]:
        """The kernel's view of the lists for a filter's flat weights, and the array that it points
        into."""
        values = np.append(weights, np.float32(0))[self.weights]
        return Taps(self.places.ctypes.data, values.ctypes.data, self.length), values


class ResamplingPlan(NamedTuple):
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
) -> ResamplingPlan:
    """size, grid (upsampled), out: (height, width); factors: (up, down); pad, shift: (y, x); taps:
    the filters' shapes.

    Upsampled sample m of an axis is the sum of filter[k] * input[i] over up * i - m + pad = k;
    output sample j is the sum of filter[k] * upsampled[down * j + shift + k].
    """
    up, down = factors
    phases = math.lcm(up, down)
    rise = [_upsampling_reads(q, up, pad[1], up_taps[-1]) for q in range(phases)]
    fall = [
        [(down * s + shift[1] + k, k) for k in range(down_taps[-1])] for s in range(phases // down)
    ]
    g = _geometry(size, grid, out, factors, (pad[0], shift[0]), rise, fall, up_taps, down_taps)
    rise = [
        [(i % g.in_phases * g.in_stride + i // g.in_phases + g.in_margin, k) for i, k in reads]
        for reads in rise
    ]
    fall = [
        [(m % phases * g.grid_stride + m // phases + g.grid_margin, k) for m, k in reads]
        for reads in fall
    ]
    rows_up, rows_down = _rows(g, up_taps[0], down_taps[0])
    if len(up_taps) == 1:
        across = [_pair(*rise[q : q + 2]) for q in range(0, phases, 2)]
        upward = [
            _product(rows, [(q * g.wide_stride, 0)], 1) for rows in rows_up for q in range(phases)
        ]
    else:
        across, upward = (
            [],
            [_product(rows, reads, up_taps[1]) for rows in rows_up for reads in rise],
        )
    if len(down_taps) == 1:
        return ResamplingPlan(
            g, _tap_lists(across), _tap_lists(upward), _tap_lists(rows_down), _tap_lists(fall)
        )
    back = [_product(rows, reads, down_taps[1]) for rows in rows_down for reads in fall]
    return ResamplingPlan(
        g, _tap_lists(across), _tap_lists(upward), _tap_lists([]), _tap_lists(back)
    )


def _rows(
    g: Geometry, up_taps: int, down_taps: int
) -> tuple[list[_PairedReads], list[_PairedReads]]:
    """Where the rows that a row of the grid, and one of the output, are summed from lie in their
    ring buffers, each with its taps; for each row that such a buffer may begin with."""
    rows_up = [
        [
            ((begin + n) % g.wide_rows * g.wide_row, *taps)
            for n, *taps in _upsampling_rows(first, g.up, up_taps)
        ]
        for begin in range(g.wide_rows)
        for first in range(g.up)
    ]
    rows_down = [
        [
            ((start + n) % g.grid_rows * g.grid_row, *taps)
            for n, *taps in _downsampling_rows(g.down, down_taps)
        ]
        for start in range(g.grid_rows)
    ]
    return rows_up, rows_down


def _geometry(
    size: tuple[int, int],
    grid: tuple[int, int],
    out: tuple[int, int],
    factors: tuple[int, int],
    first_row: tuple[int, int],
    rise: Sequence[_Reads],
    fall: Sequence[_Reads],
    up_taps: tuple[int, ...],
    down_taps: tuple[int, ...],
) -> Geometry:
    """Lays out the rows so that each read of a whole vector stays within its row; first_row:
    vertical pad, shift."""
    up, down = factors
    phases = math.lcm(up, down)
    in_phases, out_phases = phases // up, phases // down
    wide_stride = _round_up(_ceil(grid[1], phases), 16)
    in_margin, in_end = _extent(rise, in_phases, wide_stride)
    in_stride = _round_up(in_margin + max(in_end, _ceil(size[1], in_phases)), 16)
    out_stride = _round_up(_ceil(out[1], out_phases), 16)
    grid_margin, grid_end = _extent(fall, phases, out_stride)
    grid_margin = _round_up(grid_margin, 16)
    grid_stride = grid_margin + _round_up(max(grid_end, wide_stride), 16)
    wide_row = _round_up(phases, 2) * wide_stride if len(up_taps) == 1 else in_phases * in_stride
    window = down_taps[0] + down
    return Geometry(
        height=size[0], width=size[1], out_height=out[0], out_width=out[1],
        grid_height=_round_up(grid[0], 2), up=up, down=down, pad=first_row[0], shift=first_row[1],
        in_phases=in_phases, phases=phases, out_phases=out_phases, in_margin=in_margin,
        in_stride=in_stride, wide_stride=wide_stride, grid_margin=grid_margin,
        grid_stride=grid_stride, out_stride=out_stride, sign_row=phases * wide_stride // 4,
        wide_row=wide_row, wide_rows=_ceil(up_taps[0], up) + 1, grid_row=phases * grid_stride,
        grid_rows=_round_up(window + first_row[1] % 2, 2), window=window,
    )  # fmt: skip


def _ceil(value: int, divisor: int) -> int:
    return -(-value // divisor)


def _round_up(value: int, multiple: int) -> int:
    return _ceil(value, multiple) * multiple


def _upsampling_reads(m: int, up: int, pad: int, taps: int) -> list[tuple[int, int]]:
    """The input samples that upsampled sample m reads, each with its tap."""
    first = _ceil(m - pad, up)
    return [(first + n, k) for n, k in enumerate(range(up * first - m + pad, taps, up))]


def _upsampling_rows(tap: int, up: int, taps: int) -> _PairedReads:
    """What two upsampled rows read, as rows counted from the first one that the first reads, with
    `tap`."""
    rows = enumerate(range(tap, tap + taps + up, up))
    return [(n, k if k < taps else -1, k - 1 if k <= taps else -1) for n, k in rows]


def _downsampling_rows(down: int, taps: int) -> _PairedReads:
    """What two downsampled rows read, as rows counted from the first one that the first reads."""
    return [(n, n if n < taps else -1, max(n - down, -1)) for n in range(taps + down)]


def _pair(first: _Reads, second: _Reads = ()) -> _PairedReads:
    taps = dict(first), dict(second)
    return [
        (place, taps[0].get(place, -1), taps[1].get(place, -1))
        for place in sorted(taps[0] | taps[1])
    ]


def _extent(lists: Sequence[_Reads], phases: int, length: int) -> tuple[int, int]:
    """How far, within a phase, reading `length` samples reaches before its start, and its end."""
    samples = [sample // phases for reads in lists for sample, _ in reads]
    return max(0, -min(samples, default=0)), max(samples, default=0) + length


def _product(rows: _PairedReads, columns: _Reads, width: int) -> _PairedReads:
    """The reads of a two-dimensional filter, whose taps are rows of `width`."""
    return [
        (row + column, *(-1 if ky < 0 else ky * width + kx for ky in taps))
        for row, *taps in rows
        for column, kx in columns
    ]


def _tap_lists(lists: Sequence[Sequence[tuple[int, ...]]]) -> TapLists:
    """Lists of one length, filled up with taps of no weight."""
    length = max(map(len, lists), default=0)
    weights = max((len(read) - 1 for reads in lists for read in reads), default=0)
    filled = [[*reads, *[(0,) + (-1,) * weights] * (length - len(reads))] for reads in lists]
    flat = np.array(filled, np.int64).reshape(-1, 1 + weights)
    return TapLists(np.ascontiguousarray(flat[:, 0]), flat[:, 1:].ravel(), length)
