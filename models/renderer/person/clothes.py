"""Garments: surfaces around the body that hang, fold, and are cut out at the neck."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from models.renderer.mesh.geometry import (
    Array,
    Faces,
    Points,
    Subdivision,
    Weights,
    bump,
    smoothing_matrix,
    smoothstep,
    triangles,
    tube,
    unit,
    vertex_normals,
)  # fmt: skip
from models.renderer.person.fabric import Fabric, draw_fabric
from models.renderer.person.makehuman import base_mesh
from models.renderer.scene.scene import Mesh, Part

LOWEST_DM = 2.4
"""Garments end here, below the picture."""
CUFF_DM = 0.45
"""How far above the wrist sleeves end."""
FOREARM_DM = 2.0
"""Length of the sleeve that a raised arm shows."""
NECK_AXIS_Z_DM = 0.05


@dataclass(frozen=True, kw_only=True)
class Clothes:
    """Lengths in decimetres."""

    neckline: str
    neck_depth_dm: float
    neck_width_dm: float
    loose_dm: float  # how far the cloth stands off
    folds_dm: float  # depth of the folds
    seed: int
    fabric: Fabric
    collar: bool
    open_dm: float  # half the width of a jacket's opening; 0: no jacket
    jacket: Fabric


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Clothes:
    """A garment of the kind in `labels`."""
    kind = labels["clothes"]
    necklines = {
        "tshirt": ("crew", "crew", "v"), "shirt": ("shirt",), "sweater": ("crew", "turtle", "v"),
        "jacket": ("crew", "v", "shirt", "turtle"), "dress": ("wide", "scoop", "v"),
    }  # fmt: skip
    neckline = str(rng.choice(necklines[kind]))
    depth, width = (
        {"v": (0.75, 1.15), "scoop": (0.5, 0.9), "wide": (0.15, 0.4)}.get(neckline, (0.3, 0.45)),
        (0.5, 0.75),
    )
    loose = {
        "tshirt": (0.05, 0.12),
        "shirt": (0.06, 0.13),
        "sweater": (0.12, 0.22),
        "jacket": (0.05, 0.1),
        "dress": (0.04, 0.08),
    }
    return Clothes(
        neckline=neckline,
        neck_depth_dm=float(rng.uniform(*depth)),
        neck_width_dm=float(rng.uniform(*width)),
        loose_dm=float(rng.uniform(*loose[kind])),
        folds_dm=float(rng.uniform(0.04, 0.1)),
        seed=int(rng.integers(2**31)),
        fabric=draw_fabric(rng, knitted=kind == "sweater"),
        collar=neckline == "shirt",
        open_dm=float(rng.uniform(0.25, 0.6)) if kind == "jacket" else 0.0,
        jacket=draw_fabric(rng, knitted=False),
    )


@cache
def _pattern() -> tuple[Faces, Subdivision, object]:
    """Quads of the body suit that garments are cut from, its subdivision and its smoothing."""
    mesh = base_mesh()
    faces = mesh.faces("helper-tights")
    worn = (mesh.points[:, 1] > LOWEST_DM) | (np.abs(inside_sleeves()) < FOREARM_DM)
    faces = faces[worn[faces].all(axis=1)]
    return faces, Subdivision(faces, len(mesh.points)), smoothing_matrix(faces, len(mesh.points))


def neck_height(clothes: Clothes) -> Weights:
    """How far below the neckline each vertex of the base mesh is: negative where nothing is
    worn."""
    x, y, z = base_mesh().points.T
    front, depth, width = smoothstep(-0.1, 0.7, z), clothes.neck_depth_dm, clothes.neck_width_dm
    edge = {
        "crew": 5.80 - front * depth * np.exp(-((x / 0.55) ** 2)),
        "v": 5.85 - front * depth * np.clip(1 - np.abs(x) / width, 0, 1),
        "shirt": 5.88 - front * depth * np.clip(1 - np.abs(x) / 0.45, 0, 1),
        "scoop": 5.62 - front * depth * np.exp(-((x / 0.8) ** 2)),
        "wide": 5.48 - front * depth * np.exp(-((x / 0.9) ** 2)),
        "turtle": 6.22 + 0 * x,
    }[clothes.neckline]
    return np.asarray(edge - y)


@cache
def inside_sleeves() -> Weights:
    """How far above the end of its sleeve each vertex of an arm of the base mesh is; large
    elsewhere."""
    mesh = base_mesh()
    return np.asarray(-CUFF_DM - np.maximum(mesh.beyond_wrist(".L"), mesh.beyond_wrist(".R")))


def covered(clothes: Clothes) -> Weights:
    """How far inside the garment's edges each vertex of the base mesh is: negative where nothing is
    worn."""
    return np.minimum(neck_height(clothes), inside_sleeves())


def meshes(clothes: Clothes, posed: Points, limit: float = np.inf) -> list[Mesh]:
    """The garment, its hem or collar, and a jacket over it; above `limit` on the base mesh none
    should be seen."""
    rng = np.random.default_rng(clothes.seed)
    below = covered(clothes)
    worn = _garment(rng, posed, below, clothes.loose_dm, clothes.folds_dm, "cloth", limit)
    _, finer, _ = _pattern()
    made = [worn, *_edge(neck_ring(worn, finer.refine(neck_height(clothes))), clothes)]
    if clothes.open_dm:
        x, y, z = base_mesh().points.T
        opening = np.abs(x) - clothes.open_dm * smoothstep(3.0, 5.7, y) - 0.1
        edge = np.minimum.reduce(
            [np.where(z < 0.2, 1.0, opening * 1.5), 5.93 - y, inside_sleeves()]
        )
        made.append(
            _garment(rng, posed, edge, clothes.loose_dm + 0.14, clothes.folds_dm, "jacket", limit)
        )
    return made


def _garment(
    rng: np.random.Generator,
    posed: Points,
    below: Weights,
    loose: float,
    folds: float,
    material: str,
    limit: float,
) -> Mesh:
    """The body suit, smoothed so that it bridges hollows, kept off the body, folded."""
    faces, finer, smoothing = _pattern()
    normals = vertex_normals(posed, faces)
    cloth = posed + normals * loose
    for _ in range(10):
        cloth = 0.4 * cloth + 0.6 * (smoothing @ cloth)  # type: ignore[operator]
    gap = ((cloth - posed) * normals).sum(axis=1)
    near_neck = smoothstep(0.5, 0.0, below)
    least = loose * (0.5 + 0.2 * (1 - near_neck))
    cloth = cloth + normals * np.clip(least - gap, 0, None)[:, None]
    fine, cut, place = finer.refine(cloth), finer.refine(below), finer.refine(base_mesh().points)
    depth = folds * smoothstep(0.1, 0.8, cut)
    fine = fine + vertex_normals(fine, finer.faces) * (_folds(rng, place) * depth)[:, None]
    return Mesh(
        points=fine,
        faces=finer.faces,
        material=material,
        part=Part.CLOTHES,
        attributes={"cut": cut},
        layer=1,
        hidden=place[:, 1] - limit,
    )


def _folds(rng: np.random.Generator, place: Points) -> Array:
    """Ridges at each point, 0 to 1: hanging down the chest, gathered at armpits and elbows."""
    height = np.zeros(len(place))
    for _ in range(5):
        direction = unit(rng.normal(0, 1, 3) * [1.0, 0.45, 0.8])
        warp = 0.5 * np.sin(place @ rng.normal(0, 1.2, 3) + rng.uniform(0, 6))
        wave = np.sin((place @ direction) * rng.uniform(4.5, 10) + 2.5 * warp + rng.uniform(0, 6))
        where = smoothstep(-0.2, 0.8, np.sin(place @ rng.normal(0, 1.5, 3) + rng.uniform(0, 6)))
        height += (1 - np.abs(wave)) ** 1.5 * where
    armpit = bump(np.abs(place[:, 0]), 1.5, 0.6) * bump(place[:, 1], 4.3, 0.8)
    return np.asarray(height * (0.35 + 0.8 * armpit) * 0.6)


def _edge(ring: Points, clothes: Clothes) -> list[Mesh]:
    """A hem around the neck, or a shirt's collar."""
    if len(ring) < 8:
        return []
    if not clothes.collar:
        radius = 0.075 if clothes.fabric.knitted else 0.035
        points, faces = tube(ring, radius, 8, closed=True)
        return [Mesh(points=points, faces=faces, material="hem", part=Part.CLOTHES)]
    middle = np.array([0.0, 0.0, NECK_AXIS_Z_DM])
    out = unit((ring - ring.mean(axis=0)) * [1, 0, 1] + 0 * middle)
    azimuth = np.abs(np.arctan2(out[:, 0], out[:, 2]))
    fall = (0.24 + 0.26 * smoothstep(1.2, 0.3, azimuth))[:, None]
    up = np.array([0.0, 1.0, 0.0])
    rows = [ring - up * 0.06, ring + up * 0.10 - out * 0.03, ring + up * 0.16 + out * 0.02]
    rows += [
        ring + up * 0.14 + out * 0.08,
        ring + up * (0.14 - fall) + out * 0.26,
        ring + up * (0.11 - fall) + out * 0.24,
    ]
    n = len(ring)
    keep = azimuth > 0.16
    quads = [
        [row * n + i, row * n + (i + 1) % n, (row + 1) * n + (i + 1) % n, (row + 1) * n + i]
        for row in range(len(rows) - 1) for i in range(n) if keep[i] and keep[(i + 1) % n]
    ]  # fmt: skip
    return [
        Mesh(
            points=np.concatenate(rows), faces=np.array(quads), material="collar", part=Part.CLOTHES
        )
    ]


def neck_ring(worn: Mesh, cut: Weights, count: int = 72) -> Points:
    """Where `cut` of the garment's vertices is 0: `count` points around the neck in order of
    azimuth, or none."""
    corners = triangles(worn.faces)
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    a, b = cut[edges[:, 0]], cut[edges[:, 1]]
    edges, a, b = (value[(a < 0) != (b < 0)] for value in (edges, a, b))
    if len(edges) < 8:
        return np.zeros((0, 3))
    t = (a / (a - b))[:, None]
    crossing = worn.points[edges[:, 0]] * (1 - t) + worn.points[edges[:, 1]] * t
    middle = crossing.mean(axis=0)
    azimuth = np.arctan2(crossing[:, 0] - middle[0], crossing[:, 2] - middle[2])
    order = np.argsort(azimuth)
    around = np.linspace(-np.pi, np.pi, count, endpoint=False)
    ring = np.stack(
        [np.interp(around, azimuth[order], crossing[order, i], period=2 * np.pi) for i in range(3)],
        axis=1,
    )
    return np.asarray((np.roll(ring, 1, axis=0) + 2 * ring + np.roll(ring, -1, axis=0)) / 4)
