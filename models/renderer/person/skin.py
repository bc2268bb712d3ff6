"""Skin: tone, mottling, freckles, pores, wrinkles, lips; light that scatters below it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.blender.nodes import Graph
from models.renderer.mesh.geometry import Array, Weights, bump, smoothstep
from models.renderer.person.makehuman import base_mesh

TONES = np.array(  # linear RGB reflectance, light to dark
    [
        [0.74, 0.50, 0.39],
        [0.65, 0.41, 0.29],
        [0.52, 0.31, 0.20],
        [0.38, 0.21, 0.125],
        [0.23, 0.12, 0.07],
        [0.115, 0.06, 0.038],
    ]
)
SCATTER_RADIUS = (1.0, 0.35, 0.18)
LIPSTICKS = ((0.42, 0.05, 0.07), (0.5, 0.16, 0.17), (0.28, 0.04, 0.07), (0.55, 0.25, 0.22))


@dataclass(frozen=True, kw_only=True)
class Skin:
    """Colours are linear RGB in [0, 1]; strengths are shares from 0 to 1."""

    rgb: tuple[float, float, float]
    lips_rgb: tuple[float, float, float]
    mottling: float
    freckles: float
    blush: float
    eye_shadow: float
    pores: float
    wrinkles: float
    roughness: float
    scatter_m: float
    """How far light travels below the skin."""


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Skin:
    """Skin of the tone and age in `labels`."""
    tone, age = int(labels["skin"][-1]) - 1, labels["age"]
    position = np.clip(tone + rng.uniform(-0.45, 0.45), 0, len(TONES) - 1)
    rgb = np.array([np.interp(position, range(len(TONES)), TONES[:, i]) for i in range(3)])
    rgb = rgb * rng.uniform(0.95, 1.05, 3) * rng.uniform(0.93, 1.05)
    lips = rgb * np.array([0.86, 0.60, 0.62]) * rng.uniform(0.85, 1.05)
    painted = labels["sex"] == "female" and age != "child" and rng.random() < 0.4
    if painted:
        lips = 0.45 * lips + 0.55 * np.array(LIPSTICKS[rng.integers(len(LIPSTICKS))])
    old = {
        "child": 0.0,
        "young": 0.05,
        "middle": rng.uniform(0.25, 0.5),
        "old": rng.uniform(0.7, 1.0),
    }[age]
    freckled = rng.random() < (0.35 if tone < 2 else 0.1)
    return Skin(
        rgb=_rgb(rgb),
        lips_rgb=_rgb(lips),
        mottling=float(rng.uniform(0.2, 0.5) + 0.3 * old),
        freckles=float(rng.uniform(0.2, 0.7) if freckled else 0.25 * old),
        blush=float(rng.uniform(0.15, 0.5)),
        eye_shadow=float(rng.uniform(0.4, 0.8) if painted else rng.uniform(0.05, 0.35)),
        pores=float(rng.uniform(0.15, 0.5) * (0.3 if age == "child" else 1)),
        wrinkles=float(old),
        roughness=float(rng.uniform(0.5, 0.66)),
        scatter_m=float(rng.uniform(0.004, 0.008)),
    )


def masks() -> dict[str, Weights]:
    """Where on the base mesh lips, lids, blush and oily skin are, 0 to 1; `wrinkle` where old skin
    folds."""
    mesh = base_mesh()
    x, y, z = mesh.points.T
    side = np.abs(x)
    cheeks = bump(side, 0.42, 0.24) * bump(y, 6.98, 0.24) * (z > 0.9)
    nose = bump(x, 0, 0.15) * bump(y, 6.95, 0.12) * (z > 1.4)
    forehead = bump(y, 7.85, 0.22) * smoothstep(0.8, 1.2, z)
    eye_corners = bump(side, 0.62, 0.12) * bump(y, 7.25, 0.16) * (z > 0.6)
    folds = bump(side, 0.36, 0.1) * bump(y, 6.8, 0.2) * (z > 1.0)
    return {
        "lips": mesh.lips,
        "lids": mesh.lids,
        "blush": np.clip(cheeks + 0.7 * nose + 0.6 * mesh.ears, 0, 1),
        "oily": np.clip(
            nose + 0.6 * forehead + 0.4 * bump(x, 0, 0.2) * bump(y, 6.35, 0.15) * (z > 1.2), 0, 1
        ),
        "wrinkle": np.clip(forehead + eye_corners + folds + 0.35 * (y > 6), 0, 1),
    }


def material(skin: Skin, *, hair_rgb: Array, scalp_shade: float, stubble: float) -> Graph:
    """Reads the vertex attributes of `masks` and `scalp`, `stubble` (where hair grows; how dark it
    makes the skin)."""
    g, rgb = Graph(), np.array(skin.rgb)
    fine, coarse = g.noise(420, 3), g.noise(32, 4)
    colour = g.mix(g.times(g.ramp(coarse, 0.35, 0.7), skin.mottling), rgb, rgb * [0.92, 0.80, 0.77])
    colour = g.mix(
        g.times(g.ramp(fine, 0.5, 0.75), skin.mottling * 0.5), colour, rgb * [0.84, 0.72, 0.66]
    )
    spots = g.times(
        g.ramp(g.cells(330), 0.36, 0.22), g.ramp(g.noise(60, 2), 0.42, 0.62), skin.freckles
    )
    colour = g.mix(spots, colour, rgb * [0.62, 0.46, 0.36])
    colour = g.mix(g.times(g.attribute("blush"), skin.blush), colour, rgb * [0.98, 0.70, 0.67])
    colour = g.mix(g.times(g.attribute("lids"), skin.eye_shadow), colour, rgb * [0.72, 0.57, 0.55])
    lips = g.mix(g.ramp(fine, 0.3, 0.7), skin.lips_rgb, np.array(skin.lips_rgb) * 0.85)
    colour = g.mix(g.times(g.attribute("lips"), 0.95), colour, lips)
    colour = g.mix(g.times(g.attribute("stubble"), stubble), colour, rgb * 0.3 + hair_rgb * 0.4)
    colour = g.mix(g.times(g.attribute("scalp"), scalp_shade), colour, hair_rgb * 0.7 + rgb * 0.06)
    inputs = {
        "Roughness": _roughness(g, skin),
        "Specular_IOR_Level": 0.34,
        "Normal": _relief(g, skin, fine),
        "Subsurface_Weight": 0.35,
        "Subsurface_Radius": SCATTER_RADIUS,
        "Subsurface_Scale": skin.scatter_m,
    }
    return g.surface(g.principled(colour, **inputs))  # type: ignore[arg-type]


def _roughness(g: Graph, skin: Skin):  # type: ignore[no-untyped-def]
    shine = g.maths("ADD", g.times(g.attribute("oily"), -0.12), g.times(g.attribute("lips"), -0.16))
    varied = g.ramp(g.noise(90, 3), 0.3, 0.7, skin.roughness - 0.05, skin.roughness + 0.07)
    return g.maths("ADD", varied, shine)


def _relief(g: Graph, skin: Skin, fine):  # type: ignore[no-untyped-def]
    """Pores, and wrinkles: ridges of noise stretched across the face."""
    pores = g.times(g.ramp(g.cells(1500), 0.0, 0.5), skin.pores)
    stretched = g.node("ShaderNodeMapping", {"Vector": g.place(), "Scale": (0.35, 0.6, 1.6)})
    ridge = g.maths("ABSOLUTE", g.maths("SUBTRACT", g.noise(75, 3, stretched), 0.5))
    crease = g.times(
        g.ramp(ridge, 0.0, 0.07, 0.0, 1.0), g.attribute("wrinkle"), skin.wrinkles * 2.5
    )
    height = g.maths("ADD", g.maths("ADD", pores, g.times(fine, 0.5)), crease)
    return g.bump(height, 0.35, 0.0009)


def _rgb(values: Array) -> tuple[float, float, float]:
    r, g, b = np.clip(values, 0.004, 0.95).round(5).tolist()
    return r, g, b
