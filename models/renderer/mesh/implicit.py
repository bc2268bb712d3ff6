"""Shapes given by a function that is negative inside: soft unions of simple bodies, and a mesh of
their surface.

The mesh is a naive surface net (Gibson 1998, "Constrained elastic surface nets"), whose points are
then moved onto the surface by Newton's steps.
"""

from collections.abc import Callable
from itertools import product

import numpy as np

from models.renderer.mesh.geometry import Array, Faces, Points, unit

Shape = Callable[[Points], Array]
"""Points [n, 3] to [n]: below 0 inside, above 0 outside, about the distance in dm near the
surface."""
Pair = tuple[float, float]
CORNERS = np.array(list(product((0, 1), repeat=3)))
EDGES = [(a, b) for a in range(8) for b in range(a) if np.abs(CORNERS[a] - CORNERS[b]).sum() == 1]


def ellipsoid(points: Points, centre: Array, radii: Array) -> Array:
    """The distance to an ellipsoid along the axes, to first order."""
    scaled = (points - centre) / radii
    far = np.sqrt((scaled**2).sum(axis=1))
    steep = np.sqrt(((scaled / radii) ** 2).sum(axis=1))
    return _first_order(far, steep, float(np.min(radii)))


def limb(points: Points, start: Pair, end: Pair, first: Pair, last: Pair) -> Array:
    """A rounded limb in the plane x = 0, from `start` to `end` [y, z]; its (half width, half
    height) goes from `first` to `last`."""
    way = np.subtract(end, start)
    length = float(np.hypot(*way))
    along_y, along_z = way / length
    y, z = points[:, 1] - start[0], points[:, 2] - start[1]
    along, across = y * along_y + z * along_z, y * along_z - z * along_y
    t = np.clip(along / length, 0, 1)
    width, height = (first[i] + (last[i] - first[i]) * t for i in range(2))
    beyond = along - t * length
    x, up, on = points[:, 0] / width, across / height, beyond / np.minimum(width, height)
    far = np.sqrt(x**2 + up**2 + on**2)
    steep = np.sqrt((x / width) ** 2 + (up / height) ** 2 + (on / np.minimum(width, height)) ** 2)
    return _first_order(far, steep, np.minimum(width, height))


def _first_order(far: Array, steep: Array, radius: Array | float) -> Array:
    """Distance by one step of Newton's: `far`, 1 on the surface, less 1, over its slope. Near the
    middle, where there is no slope: by the smallest radius."""
    return np.where(far < 0.3, radius * (far - 1), (far - 1) * far / np.maximum(steep, 1e-6))


def united(first: Array, second: Array, softness_dm: float) -> Array:
    """The union, rounded where both meet (the polynomial smooth minimum, Quilez 2013)."""
    near = np.maximum(softness_dm - np.abs(first - second), 0) / softness_dm
    return np.minimum(first, second) - near * near * softness_dm / 4


def without(first: Array, second: Array, softness_dm: float) -> Array:
    """The first without the second, rounded at the rim."""
    return -united(-first, second, softness_dm)


def normals(shape: Shape, points: Points, step_dm: float = 0.01) -> Points:
    """Unit normals [n, 3], by central differences."""
    return unit(_gradient(shape, points, step_dm))


def isosurface(shape: Shape, low: Array, high: Array, cell_dm: float) -> tuple[Points, Faces]:
    """Points and quads, turned outwards, of the surface within a box."""
    counts = np.ceil((np.asarray(high) - low) / cell_dm).astype(int) + 1
    values = _sampled(shape, np.asarray(low, np.float64), counts, cell_dm)
    points, number = _net_points(values, counts)
    points = low + points * cell_dm
    for _ in range(2):
        slope = _gradient(shape, points, cell_dm / 8)
        step = shape(points)[:, None] * slope / np.maximum((slope**2).sum(axis=1), 0.05)[:, None]
        points = points - np.clip(step, -cell_dm / 2, cell_dm / 2)
    return points, _net_faces(values, number)


def _sampled(shape: Shape, low: Array, counts: Array, cell_dm: float) -> Array:
    """Values on a grid, exact near the surface: elsewhere those of a grid twice as coarse."""
    coarse = -(-(counts - 1) // 2) + 1
    grid = low + np.indices(tuple(coarse.tolist())).reshape(3, -1).T * cell_dm * 2
    rough = shape(grid).reshape(coarse)
    values = rough.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    values = values[: counts[0], : counts[1], : counts[2]].copy()
    near = np.argwhere(np.abs(values) < cell_dm * 5.5)
    values[tuple(near.T)] = shape(low + near * cell_dm)
    return np.asarray(values)


def _net_points(values: Array, counts: Array) -> tuple[Points, Array]:
    """One point in each cell that the surface crosses, and the number of each cell's point."""
    inside = values < 0
    any_in, all_in = np.zeros(counts - 1, bool), np.ones(counts - 1, bool)
    for corner in CORNERS:
        view = inside[tuple(slice(c, n - 1 + c) for c, n in zip(corner, counts, strict=True))]
        any_in |= view
        all_in &= view
    cells = np.argwhere(any_in & ~all_in)
    at = np.stack([values[tuple((cells + corner).T)] for corner in CORNERS], axis=1)
    total, count = np.zeros((len(cells), 3)), np.zeros(len(cells))
    for a, b in EDGES:
        crosses = (at[:, a] < 0) != (at[:, b] < 0)
        t = np.where(crosses, at[:, a] / np.where(crosses, at[:, a] - at[:, b], 1), 0)[:, None]
        total += np.where(crosses[:, None], CORNERS[a] + t * (CORNERS[b] - CORNERS[a]), 0)
        count += crosses
    number = np.full(counts - 1, -1)
    number[tuple(cells.T)] = np.arange(len(cells))
    return cells + total / count[:, None], number


def _net_faces(values: Array, number: Array) -> Faces:
    """A quad around each edge of the grid that the surface crosses."""
    inside, quads = values < 0, []
    for axis in range(3):
        second, third = (axis + 1) % 3, (axis + 2) % 3
        size = np.array(values.shape)
        low = np.zeros(3, int)
        low[[second, third]] = 1
        top = size - 1
        here = inside[tuple(slice(a, b) for a, b in zip(low, top, strict=True))]
        after = low.copy()
        after[axis] = 1
        end = top.copy()
        end[axis] = size[axis]
        there = inside[tuple(slice(a, b) for a, b in zip(after, end, strict=True))]
        edges = np.argwhere(here != there)
        leaves = here[tuple(edges.T)]
        edges = edges + low
        step = np.eye(3, dtype=int)
        around = np.stack(
            [
                number[tuple((edges - move).T)]
                for move in (step[second] + step[third], step[third], 0 * step[0], step[second])
            ],
            axis=1,
        )
        quads.append(np.where(leaves[:, None], around, around[:, ::-1]))
    return np.concatenate(quads)


def _gradient(shape: Shape, points: Points, step_dm: float) -> Points:
    return np.stack(
        [
            (shape(points + step) - shape(points - step)) / (2 * step_dm)
            for step in np.eye(3) * step_dm
        ],
        axis=1,
    )
