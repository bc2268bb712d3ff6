"""Horns: tapered, ringed, curved backwards."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.animals import kinds
from models.renderer.blender.nodes import Graph
from models.renderer.mesh.geometry import Faces, Points, grid_faces, rotated, unit
from models.renderer.mesh.implicit import Shape

ROWS, SIDES = 40, 12


@dataclass(frozen=True, kw_only=True)
class Horns:
    """Lengths in decimetres, angles in radians; 0 long: none."""

    length_dm: float
    radius_dm: float
    spread_dm: float  # how far from the middle they grow
    lean_rad: float  # how far they lean outwards
    bend_rad: float  # how far they curve backwards
    rings: float  # how strong their rings are


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Horns:
    """Horns where the kind in `labels` has them."""
    return kinds.drawn(Horns, rng, labels["kind"], "horns")


def horn_pair(horns: Horns, skull: Shape) -> list[tuple[Points, Faces]]:
    """Both horns of the resting head."""
    if horns.length_dm < 0.05:
        return []
    far = np.linspace(2.0, 0.1, 400)
    way = unit(np.array([horns.spread_dm, 0.75, 0.25]))
    inside = skull(far[:, None] * way) < 0
    base = way * (far[np.argmax(inside)] - 0.1)
    t = np.linspace(0, 1, ROWS)
    up = np.array([np.sin(horns.lean_rad), np.cos(horns.lean_rad), 0.15])
    angle = horns.bend_rad * (t - 0.25)
    along = np.concatenate(
        [rotated(up[None], np.zeros(3), np.array([-1.0, 0.0, -0.25]) * a) for a in angle]
    )
    middle = base + np.cumsum(along, axis=0) * horns.length_dm / ROWS
    ringed = 1 + 0.06 * horns.rings * np.sin(t * 60) * (1 - t)
    radius = horns.radius_dm * (1 - t) ** 0.7 * ringed + 0.004
    side = unit(np.cross(along, np.array([0.0, 0.0, 1.0])))
    front = np.cross(side, along)
    around = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)[None, :, None]
    ring = side[:, None] * np.cos(around) * 0.8 + front[:, None] * np.sin(around)
    points = (middle[:, None] + ring * radius[:, None, None]).reshape(-1, 3)
    faces = grid_faces(ROWS, SIDES)
    return [(points, faces), (points * np.array([-1.0, 1.0, 1.0]), faces[:, ::-1])]


def material() -> Graph:
    """Dull horn."""
    g = Graph()
    colour = g.mix(g.ramp(g.noise(60, 3), 0.3, 0.7), (0.10, 0.075, 0.05), (0.22, 0.17, 0.12))
    return g.surface(g.principled(colour, Roughness=0.5, Specular_IOR_Level=0.4))
