"""Eyebrows and beards."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.mesh.geometry import (
    Array,
    Points,
    Weights,
    at_roots,
    random_roots,
    smoothstep,
    tangent,
    unit,
)
from models.renderer.person.hair_growth import Scalp
from models.renderer.person.makehuman import base_mesh
from models.renderer.scene.scene import Strands


@dataclass(frozen=True, kw_only=True)
class Brows:
    """Lengths in decimetres."""

    count: int
    length_dm: float
    radius_dm: float
    width_dm: float
    arch_dm: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Beard:
    """What grows on cheeks, lip and chin."""

    style: str
    count: int
    length_dm: float
    shade: float
    """How dark the skin below is, 0 to 1."""
    seed: int


def draw_brows(rng: np.random.Generator, labels: Mapping[str, str]) -> Brows:
    """Fuller for men, thinner and longer for the old."""
    male, old, child = labels["sex"] == "male", labels["age"] == "old", labels["age"] == "child"
    fullness = (1.0 if male else 0.72) * rng.uniform(0.75, 1.25) * (0.7 if child or old else 1.0)
    return Brows(
        count=int(1100 * fullness),
        length_dm=float(rng.uniform(0.05, 0.075) * (1.2 if old else 1.0)),
        radius_dm=float(rng.uniform(0.0008, 0.0012)),
        width_dm=float(rng.uniform(0.019, 0.031) * (1.15 if male else 0.95)),
        arch_dm=float(rng.uniform(0.02, 0.07)),
        seed=int(rng.integers(2**31)),
    )


def draw_beard(rng: np.random.Generator, labels: Mapping[str, str]) -> Beard:
    """The beard in `labels`."""
    seed = int(rng.integers(2**31))
    if labels["beard"] == "none":
        return Beard(style="none", count=0, length_dm=0.0, shade=0.0, seed=seed)
    if labels["beard"] == "stubble":
        length, shade = float(rng.uniform(0.015, 0.04)), float(rng.uniform(0.25, 0.5))
        return Beard(style="stubble", count=4500, length_dm=length, shade=shade, seed=seed)
    style = str(rng.choice(["short", "long", "goatee"], p=[0.5, 0.3, 0.2]))
    count, low, high = {
        "short": (6500, 0.1, 0.22),
        "long": (8000, 0.3, 0.7),
        "goatee": (3500, 0.15, 0.4),
    }[style]
    return Beard(
        style=style, count=count, length_dm=float(rng.uniform(low, high)), shade=0.5, seed=seed
    )


def brow_density(brows: Brows) -> Weights:
    """Where eyebrows grow on the base mesh, 0 to 1."""
    mesh = base_mesh()
    x, y, z = mesh.points.T
    side = np.abs(x)
    middle = (
        7.47
        + brows.arch_dm * np.sin(np.clip((side - 0.08) / 0.44, 0, 1) * 2.4)
        - 0.05 * smoothstep(0.36, 0.54, side)
    )
    width = brows.width_dm * (1.25 - 0.8 * smoothstep(0.25, 0.54, side))
    across = smoothstep(width * 1.7, width * 0.5, np.abs(y - middle))
    return (
        smoothstep(0.07, 0.14, side)
        * smoothstep(0.56, 0.46, side)
        * across
        * (z > 1.0)
        * mesh.is_body
    )


def beard_density(beard: Beard) -> Weights:
    """Where the beard grows on the base mesh, 0 to 1."""
    mesh = base_mesh()
    x, y, z = mesh.points.T
    side, azimuth = np.abs(x), np.degrees(np.arctan2(np.abs(x), z - 0.35))
    if beard.style == "none":
        return np.zeros(len(x))
    upper = np.interp(azimuth, [0, 15, 30, 60, 80], [6.45, 6.5, 6.66, 6.98, 7.35])
    cheeks = (
        smoothstep(0.08, -0.10, y - upper)
        * smoothstep(5.9, 6.1, y)
        * (azimuth < 88)
        * (z > 0.3)
        * (mesh.ears < 0.2)
    )
    moustache = (
        smoothstep(0.34, 0.24, side)
        * smoothstep(6.66, 6.71, y)
        * smoothstep(6.88, 6.82, y)
        * (z > 1.3)
    )
    beside = (
        smoothstep(0.2, 0.3, side)
        * smoothstep(0.44, 0.36, side)
        * smoothstep(6.82, 6.74, y)
        * smoothstep(6.3, 6.4, y)
    )
    chin = cheeks * smoothstep(0.5, 0.3, side)
    grown = (chin if beard.style == "goatee" else cheeks) + moustache + beside * (z > 1.1)
    return np.clip(grown, 0, 1) * (mesh.lips < 0.25) * mesh.is_body


def brow_strands(brows: Brows, scalp: Scalp) -> list[Strands]:
    """Hairs that rise near the nose and lie down towards the temples."""

    def direction(place: Points) -> Points:
        side = np.abs(place[:, 0])
        rise = np.interp(side, [0.1, 0.25, 0.5], [1.0, 0.3, -0.35])
        return np.stack([np.sign(place[:, 0]), rise, 0 * rise], axis=1)

    return _strands(
        brows.seed,
        scalp,
        brow_density(brows),
        brows.count,
        brows.length_dm,
        0.03,
        brows.radius_dm,
        direction,
        "brows",
    )


def beard_strands(beard: Beard, scalp: Scalp) -> list[Strands]:
    """Hairs that hang from cheeks, lip and chin."""
    lift = {"stubble": 0.5, "short": 0.4}.get(beard.style, 0.22)

    def direction(place: Points) -> Points:
        one = np.ones(len(place))
        return np.stack([0.35 * np.sign(place[:, 0]), -one, 0.2 * one], axis=1)

    return _strands(
        beard.seed,
        scalp,
        beard_density(beard),
        beard.count,
        beard.length_dm,
        lift,
        0.0032,
        direction,
        "beard",
    )


def _strands(seed, scalp, density, count, length_dm, lift, radius_dm, direction, material):  # type: ignore[no-untyped-def]
    """Short bent hairs; `direction` of each in the unposed head's frame, from its place on the base
    mesh."""
    rng, base = np.random.default_rng(seed), base_mesh()
    roots = random_roots(rng, base.points, base.faces("body"), density, count)
    if not len(roots[0]):
        return []
    place, normal = at_roots(scalp.points, roots), unit(at_roots(scalp.normals, roots))
    along = tangent(direction(at_roots(base.points, roots)) @ scalp.axes, normal)
    heading = unit(along * (1 - lift) + normal * lift + rng.normal(0, 0.12, place.shape))
    length = length_dm * rng.uniform(0.55, 1.1, (len(place), 1, 1))
    t = np.linspace(0, 1, 4 if length_dm < 0.25 else 6)[None, :, None]
    droop = np.array([0.0, -0.22, 0.0]) * t**2 * length
    wobble = np.cumsum(rng.normal(0, 0.05 * length_dm, (len(place), t.shape[1], 3)), axis=1) * t
    points: Array = place[:, None] + heading[:, None] * t * length + droop + wobble
    radius = np.broadcast_to(radius_dm * np.linspace(1, 0.35, t.shape[1]), points.shape[:2])
    return [Strands(points=points, radius=radius, material=material)]
