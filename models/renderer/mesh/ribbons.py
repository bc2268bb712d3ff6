"""Strands as surfaces: flat ribbons that face the camera, as Cycles sees curves."""

import numpy as np

from models.renderer.mesh.geometry import Array, Faces, Points, unit


def facing_ribbons(curves: Array, eye: Array) -> tuple[Points, Faces]:
    """Curves [n, k, (x, y, z, radius)] as strips of quads that are seen from `eye` [3] at their
    whole width, cut straight across at both ends and at every bend.

    This is how Cycles draws curves of the shape "ribbons" (Embree's flat curves). Returns points
    [n * k * 2, 3] and quads [n * (k - 1), 4], those of a curve one after the other.
    """
    places, radius = curves[..., :3], curves[..., 3:]
    across = unit(np.cross(np.gradient(places, axis=1), eye - places)) * radius
    count, along = places.shape[:2]
    sides = np.stack([places - across, places + across], axis=2)
    piece = np.arange(along - 1)[:, None] * 2 + np.array([0, 1, 3, 2])
    quads = np.arange(count)[:, None, None] * (2 * along) + piece
    return sides.reshape(-1, 3), quads.reshape(-1, 4)
