"""A z-buffer for triangles and strands, compiled by numba: which surface is seen at each of many
points of each pixel.

Alpha by counting covered points has no noise, and thousands of thin strands cost a fraction of what
tracing rays costs.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
BOOL = NDArray[np.bool_]
NOTHING = -1


def empty(size: int) -> tuple[F32, I32]:
    """(depth, primitive) buffers of size x size points; what is not covered has primitive
    NOTHING."""
    return np.full((size, size), np.inf, np.float32), np.full((size, size), NOTHING, np.int32)


@njit(cache=True, inline="always")
def _seen_at(point: F32, lens: F32) -> tuple[float, float]:  # pragma: no cover
    """Where a point (x, y, depth, …) lies, seen through a point of the lens; see
    `draw_triangles`."""
    return point[0] + lens[2] - lens[0] / point[2], point[1] + lens[3] - lens[1] / point[2]


@njit(cache=True, inline="always")
def _middles(low: float, high: float, size: int) -> tuple[int, int]:  # pragma: no cover
    """The range of pixels whose middles lie from low to high, within [0, size)."""
    return max(0, math.ceil(low - 0.5)), min(size, math.floor(high - 0.5) + 1)


def draw_triangles(
    corners: F32, cut: F32, lens: F32, first: int, depths: F32, primitives: I32
) -> None:
    """corners: [n, 3, (x, y, depth)] in points of the buffer; pieces where `cut` [n, 3] is negative
    are left out. The nearest is kept: its depth, and `first` plus its number.

    lens: (x, y, right, down), a point of the lens in points times depth, and a shift of everything
    in points: a thing at depth z moves by right - x / z and down - y / z.
    """
    _triangles(corners, cut, lens, depths.shape, first, depths, primitives, None, None, 0)


def cover_triangles(
    corners: F32, cut: F32, lens: F32, room: I32, per_pixel: int, covered: BOOL
) -> None:
    """Marks the points that `draw_triangles` would fill, and leaves out what can't matter.

    room: [h, w], how many pixels around each pixel are known to be covered, itself included; a
    triangle among these is skipped.
    """
    _triangles(corners, cut, lens, covered.shape, 0, None, None, covered, room, per_pixel)


def draw_strands(keys: F32, lens: F32, first: int, depths: F32, primitives: I32) -> None:
    """keys: [n, k, (x, y, depth, radius)] in points of the buffer; flat ribbons that face the
    camera, else as `draw_triangles`."""
    _strands(keys, lens, depths.shape, first, depths, primitives, None, None, 0)


def cover_strands(keys: F32, lens: F32, room: I32, per_pixel: int, covered: BOOL) -> None:
    """Marks the points that `draw_strands` would fill; `room` as in `cover_triangles`."""
    _strands(keys, lens, covered.shape, 0, None, None, covered, room, per_pixel)


# numba compiles each kernel twice: what an argument that is None would do is left out of the code.


@njit(cache=True, fastmath=False)
def _triangles(
    corners: F32,
    cut: F32,
    lens: F32,
    shape: tuple[int, int],
    first: int,
    depths: F32 | None,
    primitives: I32 | None,
    covered: BOOL | None,
    room: I32 | None,
    per_pixel: int,
) -> None:  # pragma: no cover
    height, width = shape
    for n in range(len(corners)):
        az, bz, cz = corners[n, :, 2]
        if az <= 0.0 or bz <= 0.0 or cz <= 0.0:
            continue
        ax, ay = _seen_at(corners[n, 0], lens)
        bx, by = _seen_at(corners[n, 1], lens)
        cx, cy = _seen_at(corners[n, 2], lens)
        if room is not None:
            reach = max(abs(bx - ax), abs(by - ay), abs(cx - ax), abs(cy - ay))
            if _hidden(ax, ay, reach, room, per_pixel):
                continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0:
            continue
        if cut[n, 0] < 0 and cut[n, 1] < 0 and cut[n, 2] < 0:
            continue
        left, right = _middles(min(ax, bx, cx), max(ax, bx, cx), width)
        top, bottom = _middles(min(ay, by, cy), max(ay, by, cy), height)
        for y in range(top, bottom):
            py = y + 0.5
            for x in range(left, right):
                px = x + 0.5
                u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area
                v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area
                w = 1.0 - u - v
                if u < 0.0 or v < 0.0 or w < 0.0:
                    continue
                if u * cut[n, 0] + v * cut[n, 1] + w * cut[n, 2] < 0.0:
                    continue
                if covered is not None:
                    covered[y, x] = True
                if depths is not None and primitives is not None:
                    depth = u * az + v * bz + w * cz
                    if depth < depths[y, x]:
                        depths[y, x] = depth
                        primitives[y, x] = first + n


@njit(cache=True, fastmath=False)
def _strands(
    keys: F32,
    lens: F32,
    shape: tuple[int, int],
    first: int,
    depths: F32 | None,
    primitives: I32 | None,
    covered: BOOL | None,
    room: I32 | None,
    per_pixel: int,
) -> None:  # pragma: no cover
    height, width = shape
    for n in range(keys.shape[0]):
        for k in range(keys.shape[1] - 1):
            az, ar = keys[n, k, 2:]
            bz, br = keys[n, k + 1, 2:]
            if az <= 0.0 or bz <= 0.0:
                continue
            ax, ay = _seen_at(keys[n, k], lens)
            bx, by = _seen_at(keys[n, k + 1], lens)
            dx, dy = bx - ax, by - ay
            if room is not None:
                reach = max(abs(dx), abs(dy)) + 1.5 * max(ar, br)
                if _hidden(ax, ay, reach, room, per_pixel):
                    continue
            steep = abs(dy) >= abs(dx)
            a, b, start, slope = (ay, by, ax, dx) if steep else (ax, bx, ay, dy)
            run = b - a
            if run == 0.0:
                continue
            stretch = math.sqrt(dx * dx + dy * dy) / abs(run)
            long, wide = (height, width) if steep else (width, height)
            for i in range(
                max(0, math.ceil(min(a, b) - 0.5)), min(long, math.ceil(max(a, b) - 0.5))
            ):
                t = (i + 0.5 - a) / run
                middle, half = start + t * slope, (ar + t * (br - ar)) * stretch
                depth = az + t * (bz - az)
                for j in range(
                    max(0, math.ceil(middle - half - 0.5)),
                    min(wide, math.ceil(middle + half - 0.5)),
                ):
                    y, x = (i, j) if steep else (j, i)
                    if covered is not None:
                        covered[y, x] = True
                    if depths is not None and primitives is not None and depth < depths[y, x]:
                        depths[y, x] = depth
                        primitives[y, x] = first + n


@njit(cache=True, inline="always")
def _hidden(
    x: float, y: float, reach: float, room: I32, per_pixel: int
) -> bool:  # pragma: no cover
    """Whether all within `reach` points of a point lies in pixels that are known to be covered."""
    column, row = int(x) // per_pixel, int(y) // per_pixel
    if x < 0.0 or y < 0.0 or row >= room.shape[0] or column >= room.shape[1]:
        return False
    return bool(room[row, column] * per_pixel > reach + per_pixel)
