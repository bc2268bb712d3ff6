"""A collar around the neck, with or without a tag."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.animals.head import NECK_FROM, Head
from models.renderer.mesh.geometry import Array, Faces, Points, grid_faces, unit
from models.renderer.mesh.implicit import Shape

COLOURS = (
    (0.42, 0.02, 0.025), (0.02, 0.09, 0.36), (0.02, 0.22, 0.07), (0.5, 0.24, 0.02),
    (0.015, 0.015, 0.016), (0.14, 0.06, 0.025), (0.32, 0.04, 0.24),
)  # fmt: skip
SPOKES = 56
PLACE = 0.42
"""Where along the neck."""


@dataclass(frozen=True, kw_only=True)
class Collar:
    """Lengths in decimetres; 0 wide: none."""

    width_dm: float
    rgb: tuple[float, float, float]
    tag_dm: float  # radius of a metal disc; 0: none


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Collar:
    """A collar if `labels` say so."""
    r, g, b = (np.array(COLOURS[int(rng.integers(len(COLOURS)))]) * rng.uniform(0.7, 1.3)).round(5)
    width, tag = float(rng.uniform(0.14, 0.24)), float(rng.uniform(0.12, 0.17))
    worn = labels["collar"] == "yes"
    return Collar(
        width_dm=width if worn else 0.0,
        rgb=(float(r), float(g), float(b)),
        tag_dm=tag if worn and rng.random() < 0.5 else 0.0,
    )


def _ring(head: Head, skull: Shape) -> tuple[Points, Points, Points]:
    """Points [SPOKES, 3] of the skin around the neck, unit vectors out of it, and along it [3]."""
    start, end = np.array([0.0, *NECK_FROM]), np.array([0.0, head.neck_y, head.neck_z])
    along = unit(end - start)
    along = unit(along + np.array([0.0, -0.5, 0.35]))  # lower in front
    middle = start + (end - start) * PLACE
    front = unit(np.cross([1.0, 0.0, 0.0], along))
    front = front * np.sign(front[2])
    around = np.linspace(0, 2 * np.pi, SPOKES, endpoint=False)[:, None]
    out = np.array([1.0, 0.0, 0.0]) * np.sin(around) + front * np.cos(around)
    far = np.linspace(0.2, 2.4, 200)
    outside = skull((middle + out[:, None] * far[:, None]).reshape(-1, 3)).reshape(SPOKES, 200) > 0
    reach = far[np.where(outside.any(axis=1), np.argmax(outside, axis=1), 199)]
    reach = np.minimum(reach, np.median(reach) * 1.35)
    return middle + out * reach[:, None], out, along


def collar_parts(
    collar: Collar, head: Head, skull: Shape, over_fur_dm: float
) -> list[tuple[str, Points, Faces]]:
    """(material, points, quads) of the resting collar, `over_fur_dm` above the skin."""
    if collar.width_dm <= 0:
        return []
    ring, out, along = _ring(head, skull)
    half, thick = collar.width_dm / 2, 0.035
    profile = [(-half, 0.0), (-half, thick), (half, thick), (half, 0.0)]
    rows = [ring + out * (over_fur_dm + high) + along * low for low, high in profile]
    band = np.concatenate([*rows, rows[0]])
    made = [("collar", band, grid_faces(5, SPOKES)[:, ::-1])]
    if collar.tag_dm > 0:
        top = rows[2][0] + out[0] * 0.02
        made.append(("tag", *_disc(top + along * collar.tag_dm, out[0], along, collar.tag_dm)))
    return made


def _disc(middle: Points, front: Array, down: Array, radius_dm: float) -> tuple[Points, Faces]:
    side = np.cross(front, down)
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)[:, None]
    circle = side * np.cos(around) + down * np.sin(around)
    rows = [
        middle + circle * radius_dm * share + front * high
        for share, high in ((0.02, 0.0), (1.0, 0.0), (1.0, 0.03), (0.02, 0.03))
    ]
    return np.concatenate(rows), grid_faces(4, 24)


def covers(collar: Collar, head: Head, points: Points) -> Array:
    """1 below the collar, where fur lies flat, 0 away from it, [n]."""
    if collar.width_dm <= 0:
        return np.zeros(len(points))
    start, end = np.array([0.0, *NECK_FROM]), np.array([0.0, head.neck_y, head.neck_z])
    along = unit(unit(end - start) + np.array([0.0, -0.5, 0.35]))
    middle = start + (end - start) * PLACE
    off = (points - middle) @ along
    return np.asarray(np.exp(-((off / (collar.width_dm * 0.9)) ** 2)))
