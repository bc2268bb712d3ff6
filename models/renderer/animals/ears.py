"""Ears: a leaf with a hollow, upright, folded over or hanging."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.animals import kinds
from models.renderer.mesh.geometry import (
    Array,
    Faces,
    Points,
    grid_faces,
    rotated,
    smoothstep,
    unit,
)
from models.renderer.mesh.implicit import Shape

ROWS, ACROSS = 16, 9
TURNS = {  # (turned outwards, laid back) in radians, of the left and the right ear
    "alert": ((-0.08, 0.0), (-0.08, 0.0)),
    "relaxed": ((0.25, 0.15), (0.25, 0.15)),
    "back": ((0.55, 0.75), (0.55, 0.75)),
    "one_turned": ((0.0, 0.0), (0.6, 0.3)),
}


@dataclass(frozen=True, kw_only=True)
class Ears:
    """Angles in radians."""

    base_azimuth_rad: float
    """Where it grows, seen from above: from the front to the side and further back."""
    base_height_rad: float  # where it grows, from the level to the top
    lean_rad: float  # how far it leans outwards from upright; pi / 2: level
    facing_rad: float
    """Where the hollow faces, about the ear's own length: from the front outwards, or downwards."""
    length_dm: float
    width_dm: float
    point: float  # 1: a triangle, 2: a leaf, 4: round
    narrow: float  # width of the base, a share of the whole
    hollow: float
    fold_rad: float  # how far it bends over
    fold_at: float  # where along its length
    fold_forward: float  # bends to the side at 0, forwards at 1
    thickness_dm: float
    turns: tuple[tuple[float, float], tuple[float, float]]
    """Expression of each ear: turned outwards, laid back."""


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Ears:
    """Ears of the kind and in the expression that `labels` name."""
    turns = np.array(TURNS[labels["ears"]])
    if rng.random() < 0.5:
        turns = turns[::-1]
    own = turns + rng.normal(0, 0.05, (2, 2))
    (a, b), (c, d) = own.round(5).tolist()
    return kinds.drawn(Ears, rng, labels["kind"], "ears", turns=((a, b), (c, d)))


@dataclass(frozen=True, kw_only=True)
class Ear:
    """A resting ear's surface. `along`: 0 at its base, 1 at its tip; `inner`: 1 in its hollow;
    `edge`: 1 on its margin."""

    points: Points
    faces: Faces
    along: Array
    inner: Array
    edge: Array
    tip: Points
    base: Points


def ear_pair(ears: Ears, skull: Shape) -> tuple[Ear, Ear]:
    """The animal's left and right ear."""
    return _ear(ears, skull, 1.0, ears.turns[0]), _ear(ears, skull, -1.0, ears.turns[1])


def _ear(ears: Ears, skull: Shape, sign: float, turns: tuple[float, float]) -> Ear:
    middle, across, facing = _spine(ears, skull, turns)
    t = np.linspace(0, 1, ROWS)
    width = ears.width_dm / 2 * np.maximum(1 - t**ears.point, 0) ** (1 / max(ears.point**0.5, 1))
    width = width * (ears.narrow + (1 - ears.narrow) * smoothstep(0.0, 0.4, t))
    s = np.sin(np.linspace(-1, 1, ACROSS) * np.pi / 2)
    curl = ears.hollow * (1 - 0.5 * t)[:, None] * s**2 * width[:, None]
    thick = ears.thickness_dm * (1 - s**2)[None] * (1 - 0.6 * t)[:, None] + 0.004
    sheet = middle[:, None] + across[:, None] * (s * width[:, None])[..., None]
    inner = sheet + facing[:, None] * curl[..., None]
    outer = sheet + facing[:, None] * (curl - thick)[..., None]
    ring = np.concatenate([inner, outer[:, ::-1]], axis=1)
    points = ring.reshape(-1, 3) * np.array([sign, 1.0, 1.0])
    faces = grid_faces(ROWS, 2 * ACROSS)
    if _volume(points, faces) < 0:
        faces = faces[:, ::-1]
    sides = np.concatenate([s, s[::-1]])
    return Ear(
        points=points,
        faces=faces,
        along=np.repeat(t, 2 * ACROSS),
        inner=np.tile(np.repeat([1.0, 0.0], ACROSS), ROWS),
        edge=np.maximum(np.tile(np.abs(sides), ROWS) ** 3, np.repeat(t, 2 * ACROSS) ** 6),
        tip=points[-1],
        base=points[: 2 * ACROSS].mean(axis=0),
    )


def _spine(ears: Ears, skull: Shape, turns: tuple[float, float]) -> tuple[Points, Array, Array]:
    """The middle line of a left ear [ROWS, 3], and at each point unit vectors across it and where
    its hollow faces."""
    level = np.cos(ears.base_height_rad)
    out = np.array([
        np.sin(ears.base_azimuth_rad) * level, np.sin(ears.base_height_rad),
        np.cos(ears.base_azimuth_rad) * level,
    ])  # fmt: skip
    far = np.linspace(2.0, 0.1, 400)
    inside = skull(far[:, None] * out) < 0
    base = out * (far[np.argmax(inside)] - 0.08)
    outwards, back = turns
    lean, facing_rad = ears.lean_rad + 0.5 * outwards + 0.3 * back, ears.facing_rad + outwards
    up = np.array([np.sin(lean), np.cos(lean), 0.0])
    ahead = np.array([0.0, 0.0, 1.0])
    facing = np.cos(facing_rad) * ahead + np.sin(facing_rad) * np.cross(up, ahead)
    across = np.cross(up, facing)
    up, facing = rotated(np.stack([up, facing]), np.zeros(3), -across * back * -1.0)
    axis = unit(
        ears.fold_forward * np.cross(up, facing)
        + (1 - ears.fold_forward) * np.array([0.0, 0.0, -1.0])
    )
    t = np.linspace(0, 1, ROWS)
    angle = ears.fold_rad * smoothstep(ears.fold_at - 0.2, ears.fold_at + 0.2, t)
    ups, acrosses, facings = (
        np.concatenate([rotated(vector[None], np.zeros(3), axis * a) for a in angle])
        for vector in (up, across, facing)
    )
    steps = ups * ears.length_dm / (ROWS - 1)
    middle = base + np.cumsum(steps, axis=0) - steps
    return middle, acrosses, facings


def _volume(points: Points, faces: Faces) -> float:
    a, b, c, d = (points[faces[:, i]] for i in range(4))
    return float((a * (np.cross(b, c) + np.cross(c, d))).sum())
