"""Fur: how long, how dense, how tousled; where on the skin, and which way it lies."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.animals import kinds
from models.renderer.animals.head import Head, along_muzzle, along_neck
from models.renderer.blender.nodes import Graph
from models.renderer.mesh.geometry import Array, Points, bump, smoothstep, unit

FACTORS = {"natural": 1.0, "short": 0.55, "long": 1.6}


@dataclass(frozen=True, kw_only=True)
class Fur:
    """Lengths in decimetres; shares from 0 to 1."""

    factor: float  # all lengths are multiplied by it
    muzzle_dm: float
    face_dm: float
    cheek_dm: float
    crown_dm: float
    neck_dm: float
    ear_dm: float
    density: float  # hairs, a share of the usual number
    radius_dm: float
    lift: float  # 0: lies flat, 1: stands straight out
    gravity: float
    clump: float
    frizz: float
    curl_dm: float
    curls_per_dm: float
    gloss: float
    blade: float  # 0: hairs; 1: broad in the middle, as feathers are
    wind: tuple[float, float, float]  # where the tips are blown, in lengths of a hair
    seed: int


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Fur:
    """Fur of the kind in `labels`; one picture in three has wind."""
    blows = rng.random() < 0.33
    x, y, z = (rng.normal(0, [0.35, 0.08, 0.15]) * blows).round(5).tolist()
    return kinds.drawn(
        Fur, rng, labels["kind"], "fur",
        factor=FACTORS[labels["fur"]] * float(rng.uniform(0.9, 1.12)),
        wind=(x, y, z),
        seed=int(rng.integers(2**31)),
    )  # fmt: skip


def lengths(fur: Fur, head: Head, points: Points) -> Array:
    """Length in dm of the hairs at resting points of the skin, [n]."""
    side, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    muzzle, neck = along_muzzle(head, points), along_neck(head, points)
    found = fur.face_dm + (fur.muzzle_dm - fur.face_dm) * smoothstep(0.05, 0.55, muzzle)
    behind = smoothstep(0.55, 0.0, z) * smoothstep(0.6, 0.2, muzzle)
    cheek = smoothstep(0.55, 0.85, side / head.skull_width) * smoothstep(0.35, -0.25, y) * behind
    crown = smoothstep(0.45, 0.85, y / head.skull_height) * smoothstep(0.8, 0.3, z)
    for share, length in (
        (behind, (fur.face_dm + fur.crown_dm) / 2), (crown, fur.crown_dm), (cheek, fur.cheek_dm),
        (smoothstep(0.12, 0.4, neck), fur.neck_dm),
    ):  # fmt: skip
        found = found + (length - found) * share
    return np.asarray(found * fur.factor)


def lies(points: Points, nose: Points, eyes: list[Points]) -> Points:
    """Which way hairs lie at resting points, unit vectors [n, 3], not yet along the skin: from the
    nose backwards, around the eyes, down the neck."""
    away = unit(points - (nose - np.array([0.0, 0.05, 0.25])))
    for eye in eyes:
        off = points - eye
        away = away + unit(off) * (1.5 * bump(np.linalg.norm(off, axis=1), 0.15, 0.22))[:, None]
    y, z = points[:, 1], points[:, 2]
    down = smoothstep(-0.2, -0.9, y) * smoothstep(0.9, 0.2, z)
    sideways = np.stack([0.35 * np.sign(points[:, 0]), -1.0 + 0 * y, -0.1 + 0 * y], axis=1)
    return unit(away * (1 - down)[:, None] + sideways * down[:, None])


def material(gloss: float, ticking: float, variety: float) -> Graph:
    """Strands in the colour of each, `rgb`; darker or lighter at the tips by `ticking`, one from
    the other by `variety`."""
    g = Graph()
    own = g.node("ShaderNodeAttribute", output="Color", attribute_name="rgb")
    random = g.node("ShaderNodeHairInfo", output="Random")
    along = g.another(random, "Intercept")
    tone = g.ramp(random, 0.0, 1.0, 1 - variety, 1 + variety)
    tone = g.times(tone, g.ramp(along, 0.0, 0.45, 0.62, 1.0))
    tone = g.times(tone, g.ramp(along, 0.4, 1.0, 1.0, 1 + ticking))
    colour = g.node("ShaderNodeVectorMath", {0: own, 1: tone}, operation="MULTIPLY")
    diffuse = g.node("ShaderNodeBsdfDiffuse", {"Color": colour})
    sheen = g.node(
        "ShaderNodeBsdfHair",
        {"Color": g.mix(0.5, (0.25, 0.25, 0.25), colour), "RoughnessU": 0.3, "RoughnessV": 0.8},
        component="Reflection",
    )
    return g.surface(g.node("ShaderNodeMixShader", {0: gloss, 1: diffuse, 2: sheen}))


def skin_material() -> Graph:
    """Skin below the fur, in the colour of the undercoat, `rgb`."""
    g = Graph()
    own = g.node("ShaderNodeAttribute", output="Color", attribute_name="rgb")
    shade = g.ramp(g.noise(180, 3), 0.3, 0.7, 0.75, 1.05)
    colour = g.node("ShaderNodeVectorMath", {0: own, 1: shade}, operation="MULTIPLY")
    shader = g.principled(colour, Roughness=0.75, Specular_IOR_Level=0.2)
    return g.surface(g.cut_away(shader))


def trail(points: int, blade: float) -> Array:
    """Thickness along a hair or feather, a share of the greatest, [points]."""
    t = np.linspace(0, 1, points)
    hair = np.interp(t, [0, 0.5, 1], [1, 0.8, 0.2])
    feather = np.interp(t, [0, 0.5, 0.75, 1], [0.5, 1.0, 0.8, 0.04])
    return np.asarray(hair + (feather - hair) * blade)
