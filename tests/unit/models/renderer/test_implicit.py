"""Surfaces of implicit shapes."""

import numpy as np
from numpy.typing import NDArray

from models.renderer.mesh.implicit import ellipsoid, isosurface, limb, normals, united, without

RADII = np.array([0.8, 0.5, 0.6])


def egg(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return ellipsoid(points, np.zeros(3), RADII)


def test_a_surface_lies_on_its_shape_closed_and_turned_outwards() -> None:
    points, faces = isosurface(egg, np.full(3, -1.0), np.full(3, 1.0), 0.1)
    np.testing.assert_allclose(((points / RADII) ** 2).sum(axis=1), 1, atol=2e-3)
    edges = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    assert (uses == 2).all()
    a, b, c, d = (points[faces[:, i]] for i in range(4))
    volume = ((a * (np.cross(b, c) + np.cross(c, d))).sum()) / 6
    assert 0.95 < volume / (4 / 3 * np.pi * RADII.prod()) < 1.02


def test_normals_point_away_from_the_middle() -> None:
    points, _ = isosurface(egg, np.full(3, -1.0), np.full(3, 1.0), 0.2)
    slopes = points / RADII**2
    lengths = np.linalg.norm(slopes, axis=1)[:, None]
    np.testing.assert_allclose(normals(egg, points), slopes / lengths, atol=2e-3)


def test_bodies_are_joined_softly_and_hollowed() -> None:
    at = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.7], [0.0, 3.0, 0.0]])
    arm = limb(at, (0.0, 0.0), (0.0, 1.0), (0.2, 0.2), (0.1, 0.1))
    both = united(egg(at), arm, 0.2)
    assert (both <= np.minimum(egg(at), arm)).all()
    assert both[2] > 1
    assert without(egg(at), arm, 0.1)[0] > 0 > egg(at)[0]
