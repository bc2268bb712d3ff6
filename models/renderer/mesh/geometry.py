"""Shapes in numpy: rotations, normals, subdivision, random points on a surface, tubes, smooth
curves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

Array = NDArray[Any]
"""Floats, or whole numbers on their way to become some."""
Points = NDArray[np.float64]
"""[n, 3]."""
Faces = NDArray[np.int64]
"""[m, 3 or 4] indices of points."""
Weights = NDArray[np.float64]
"""[n], one for each point of a mesh."""


def smoothstep(low: ArrayLike, high: ArrayLike, x: ArrayLike) -> Array:
    """0 below `low`, 1 above `high` (or reversed), smooth between."""
    t = np.clip(
        (np.asarray(x, np.float64) - np.asarray(low)) / (np.asarray(high) - np.asarray(low)), 0, 1
    )
    return t * t * (3 - 2 * t)


def bump(x: ArrayLike, centre: float, width: float) -> Array:
    """A Gaussian of standard deviation width / sqrt(2)."""
    return np.exp(-(((np.asarray(x, np.float64) - centre) / width) ** 2))


def unit(vectors: Array) -> Array:
    """Vectors [..., 3] at length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def tangent(vectors: Array, normals: Array) -> Array:
    """Unit vectors along a surface."""
    return unit(vectors - (vectors * normals).sum(axis=-1, keepdims=True) * normals)


def rotated(
    points: Points, pivot: Array, axis_angle: Array, weights: Weights | float = 1.0
) -> Points:
    """Turned about `pivot` by |axis_angle| radians, times each point's weight (Rodrigues'
    formula)."""
    angle = float(np.linalg.norm(axis_angle))
    axis = axis_angle / max(angle, 1e-9)
    turn = np.broadcast_to(np.asarray(weights, np.float64) * angle, len(points))[:, None]
    arm = points - pivot
    around = np.outer(arm @ axis, axis)
    return (
        pivot
        + arm * np.cos(turn)
        + np.cross(axis, arm) * np.sin(turn)
        + around * (1 - np.cos(turn))
    )


def vertex_normals(points: Points, faces: Faces) -> Points:
    """Unit normals, weighted by area; zero for points without a face."""
    corners = points[faces]
    across = np.cross(corners[:, 2] - corners[:, 0], corners[:, -1] - corners[:, 1])
    normals = np.stack(
        [
            np.bincount(faces.ravel(), np.repeat(across[:, i], faces.shape[1]), len(points))
            for i in range(3)
        ]
    )
    return unit(normals.T)


def triangles(faces: Faces) -> Faces:
    """Quads cut in two; triangles as they are."""
    return (
        faces if faces.shape[1] == 3 else np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
    )


class Subdivision:
    """One Catmull-Clark step over quads as a matrix: `refine(values)` gives values of the finer
    mesh with `faces`.

    Catmull and Clark 1978; border edges keep their midpoints and their vertices follow a cubic
    B-spline.
    """

    def __init__(self, faces: Faces, count: int) -> None:
        edges = np.sort(
            np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1
        )
        edges, of_corner, uses = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
        of_corner = of_corner.reshape(faces.shape)
        used, compact = np.unique(faces, return_inverse=True)
        compact = compact.reshape(faces.shape)
        n_vertices, n_edges, n_faces = len(used), len(edges), len(faces)
        face_points = _matrix(
            np.repeat(np.arange(n_faces), 4), faces.ravel(), 0.25, (n_faces, count)
        )
        edge_middle = _matrix(
            np.repeat(np.arange(n_edges), 2), edges.ravel(), 0.5, (n_edges, count)
        )
        edge_faces = _matrix(
            of_corner.ravel(), np.repeat(np.arange(n_faces), 4), 1.0, (n_edges, n_faces)
        )
        inner = sparse.diags((uses == 2).astype(float))
        edge_points = (
            edge_middle - inner @ (edge_middle * 0.5) + inner @ (edge_faces @ face_points * 0.25)
        )
        vertex_points = self._vertex_points(
            used, compact, edges, uses, face_points, edge_middle, count
        )
        self.matrix = sparse.vstack([vertex_points, edge_points, face_points]).tocsr()
        corner, edge = compact, of_corner + n_vertices
        centre = np.broadcast_to(np.arange(n_faces)[:, None] + n_vertices + n_edges, faces.shape)
        self.faces: Faces = np.stack(
            [corner, edge, centre, np.roll(edge, 1, axis=1)], axis=-1
        ).reshape(-1, 4)

    @staticmethod
    def _vertex_points(used, compact, edges, uses, face_points, edge_middle, count):  # type: ignore[no-untyped-def]
        n = len(used)
        ends = np.searchsorted(used, edges)
        rows, columns = ends.ravel(), np.repeat(np.arange(len(edges)), 2)
        valence = np.bincount(rows, minlength=n).astype(float)
        old = _matrix(np.arange(n), used, 1.0, (n, count))
        by_face = _matrix(
            compact.ravel(), np.repeat(np.arange(len(compact)), 4), 1.0, (n, len(compact))
        )
        by_edge = _matrix(rows, columns, 1.0, (n, len(edges)))
        faces_around = np.maximum(np.bincount(compact.ravel(), minlength=n), 1)
        smooth = sparse.diags(1 / (faces_around * valence)) @ (by_face @ face_points)
        smooth = (
            smooth
            + sparse.diags(2 / valence**2) @ (by_edge @ edge_middle)
            + sparse.diags((valence - 3) / valence) @ old
        )
        border_edge = sparse.diags((uses == 1).astype(float))
        on_border = np.bincount(rows, np.repeat(uses == 1, 2), minlength=n) > 0
        border = old * 0.5 + (by_edge @ (border_edge @ edge_middle)) * 0.25
        return (
            sparse.diags((~on_border).astype(float)) @ smooth
            + sparse.diags(on_border.astype(float)) @ border
        )

    def refine(self, values: Array) -> Array:
        """[count] or [count, k] on the coarse mesh to the fine one."""
        return np.asarray(self.matrix @ values)


def _matrix(rows, columns, value: float, shape: tuple[int, int]):  # type: ignore[no-untyped-def]
    return sparse.csr_matrix((np.full(len(rows), value), (rows, columns)), shape=shape)


def smoothing_matrix(faces: Faces, count: int):  # type: ignore[no-untyped-def]
    """Each point to the mean of its neighbours, sparse [count, count]; points without faces
    stay."""
    edges = np.concatenate(
        [np.stack([faces[:, i], np.roll(faces, -1, axis=1)[:, i]], axis=1) for i in range(4)]
    )
    rows, columns = np.concatenate([edges, edges[:, ::-1]]).T
    near = _matrix(rows, columns, 1.0, (count, count))
    near.data[:] = 1.0
    degree = np.asarray(near.sum(axis=1)).ravel()
    return sparse.diags(1 / np.maximum(degree, 1)) @ near + sparse.diags(
        (degree == 0).astype(float)
    )


def random_roots(
    rng: np.random.Generator, points: Points, faces: Faces, density: Weights, count: int
) -> tuple[Faces, Points]:
    """`count` random places on a surface: (triangles [count, 3], barycentric weights [count,
    3])."""
    corners = triangles(faces)
    weight = density[corners].mean(axis=1)
    corners, weight = corners[weight > 1e-3], weight[weight > 1e-3]
    shape = points[corners]
    area = (
        np.linalg.norm(np.cross(shape[:, 1] - shape[:, 0], shape[:, 2] - shape[:, 0]), axis=1)
        * weight
    )
    if area.sum() <= 0:
        return corners[:0], np.zeros((0, 3))
    chosen = np.searchsorted(np.cumsum(area) / area.sum(), rng.random(count)).clip(
        0, len(corners) - 1
    )
    u, v = rng.random((2, count))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    return corners[chosen], np.stack([1 - u - v, u, v], axis=1)


def at_roots(values: Array, roots: tuple[Faces, Points]) -> Array:
    """Values [n] or [n, k] of vertices, interpolated at roots."""
    corners, weights = roots
    picked = values[corners]
    return (picked * (weights if picked.ndim == 2 else weights[..., None])).sum(axis=1)


def tube(path: Points, radius: float, sides: int = 8, closed: bool = False) -> tuple[Points, Faces]:
    """A round tube along a path, as points and quads."""
    n = len(path)
    along = (
        unit(np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0))
        if closed
        else unit(np.gradient(path, axis=0))
    )
    u = unit(np.cross(along, np.array([0.13, 0.21, 0.97])))
    w = np.cross(along, u)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None, :, None]
    points = path[:, None] + radius * (u[:, None] * np.cos(angle) + w[:, None] * np.sin(angle))
    return points.reshape(-1, 3), grid_faces(n, sides, wrap_rows=closed)


def grid_faces(rows: int, columns: int, wrap_rows: bool = False) -> Faces:
    """Quads over a grid of rows x columns points whose columns close to a ring."""
    i, j = np.meshgrid(
        np.arange(rows if wrap_rows else rows - 1), np.arange(columns), indexing="ij"
    )
    k, nxt = (i + 1) % rows, (j + 1) % columns
    return np.stack(
        [i * columns + j, i * columns + nxt, k * columns + nxt, k * columns + j], axis=-1
    ).reshape(-1, 4)


def merged(parts: Sequence[tuple[Points, Faces]]) -> tuple[Points, Faces]:
    """Several meshes as one."""
    starts = np.cumsum([0] + [len(points) for points, _ in parts])
    return np.concatenate([p for p, _ in parts]), np.concatenate(
        [f + start for (_, f), start in zip(parts, starts, strict=False)]
    )


def catmull_rom(keys: Array, steps: int) -> Array:
    """[n, k, c] control points to [n, (k - 1) * steps + 1, c] points of the curve through them,
    ends doubled."""
    before = np.concatenate([2 * keys[:, :1] - keys[:, 1:2], keys[:, :-2]], axis=1)[:, :, None]
    after = np.concatenate([keys[:, 2:], 2 * keys[:, -1:] - keys[:, -2:-1]], axis=1)[:, :, None]
    first, last = keys[:, :-1, None], keys[:, 1:, None]
    t = (np.arange(steps) / steps).astype(keys.dtype)[None, None, :, None]
    curve = first + 0.5 * t * (
        (last - before)
        + t
        * ((2 * before - 5 * first + 4 * last - after) + t * (3 * (first - last) + after - before))
    )
    n, _, _, c = curve.shape
    return np.concatenate([curve.reshape(n, -1, c), keys[:, -1:]], axis=1)
