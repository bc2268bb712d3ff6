"""Cloth as a material: colours, weave and patterns."""

import colorsys
from dataclasses import dataclass

import numpy as np

from models.renderer.blender.nodes import Graph, Socket
from models.renderer.mesh.geometry import Array

PATTERNS = {
    "plain": 0.6,
    "melange": 0.14,
    "stripes": 0.1,
    "pinstripes": 0.05,
    "checks": 0.06,
    "dots": 0.05,
}
STAPLES = (  # HSV of what most people wear
    (0.62, 0.55, 0.16),
    (0.6, 0.35, 0.35),
    (0.0, 0.0, 0.03),
    (0.0, 0.0, 0.12),
    (0.1, 0.05, 0.75),
    (0.1, 0.12, 0.6),
    (0.08, 0.35, 0.3),
    (0.25, 0.3, 0.2),
    (0.98, 0.65, 0.28),
    (0.55, 0.3, 0.5),
    (0.0, 0.0, 0.4),
)


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """Colours are linear RGB; `scale` in threads or stripes a metre."""

    pattern: str
    rgb: tuple[float, float, float]
    second_rgb: tuple[float, float, float]
    scale: float
    roughness: float
    sheen: float
    knitted: bool


def draw_fabric(rng: np.random.Generator, knitted: bool) -> Fabric:
    """Mostly plain and muted, as in a street; now and then loud."""
    loud = rng.random() < 0.22
    hsv = (
        (rng.random(), rng.uniform(0.4, 0.9), rng.uniform(0.15, 0.7))
        if loud
        else STAPLES[rng.integers(len(STAPLES))]
    )
    hue, saturation, value = (
        hsv[0] + rng.normal(0, 0.02),
        hsv[1] * rng.uniform(0.7, 1.2),
        hsv[2] * rng.uniform(0.7, 1.3),
    )
    first = _linear(hue, saturation, value)
    second = _linear(hue + rng.normal(0, 0.15), rng.uniform(0, 0.6), rng.uniform(0.05, 0.85))
    pattern = str(rng.choice(list(PATTERNS), p=list(PATTERNS.values())))
    scales = {"stripes": (90, 260), "pinstripes": (300, 500), "checks": (90, 240), "dots": (40, 90)}
    low, high = scales.get(pattern, (300, 800))
    return Fabric(
        pattern=pattern,
        rgb=first,
        second_rgb=second,
        scale=float(rng.uniform(low, high)),
        roughness=float(rng.uniform(0.6, 0.95)),
        sheen=float(rng.uniform(0.0, 0.35)),
        knitted=knitted,
    )


def material(fabric: Fabric, holes: bool = True) -> Graph:
    """Cotton or wool; with `holes`, cut away where the vertex attribute `cut` is negative."""
    g = Graph()
    at = g.node("ShaderNodeSeparateXYZ", {0: g.place()})
    x, z = at, g.another(at, 2)
    first: Array = np.array(fabric.rgb)
    share = _pattern(g, fabric, x, z)
    colour = g.mix(share, first, fabric.second_rgb) if share is not None else first
    colour = g.mix(g.times(g.ramp(g.noise(45, 4), 0.35, 0.7), 0.35), colour, first * 0.72)
    creases = g.times(g.noise(22, 4), 0.8)
    threads = _knit(g, x, z) if fabric.knitted else g.times(g.noise(1400, 1), 0.12)
    relief = g.bump(g.maths("ADD", creases, threads), 0.6, 0.008)
    shader = g.principled(
        colour,
        Roughness=fabric.roughness,
        Specular_IOR_Level=0.2,
        Sheen_Weight=fabric.sheen,
        Normal=relief,
    )
    return g.surface(g.cut_away(shader) if holes else shader)


def _pattern(g: Graph, fabric: Fabric, x: Socket, z: Socket) -> Socket | None:
    """Share of the second colour."""

    def bands(at: Socket, low: float, high: float) -> Socket:
        return g.ramp(g.maths("SINE", g.times(at, fabric.scale)), low, high)

    if fabric.pattern == "stripes":
        return bands(z, 0.0, 0.15)
    if fabric.pattern == "pinstripes":
        return bands(x, 0.93, 0.98)
    if fabric.pattern == "checks":
        return g.times(g.maths("ADD", bands(z, -0.1, 0.1), bands(x, -0.1, 0.1)), 0.4)
    if fabric.pattern == "dots":
        return g.ramp(g.cells(fabric.scale), 0.32, 0.27)
    if fabric.pattern == "melange":
        return g.ramp(g.noise(fabric.scale, 3), 0.35, 0.75)
    return None


def _knit(g: Graph, x: Socket, z: Socket) -> Socket:
    """Rows of stitches, 4 mm wide."""
    columns = g.maths("ABSOLUTE", g.maths("SINE", g.times(x, 780.0)))
    rows = g.maths(
        "ABSOLUTE", g.maths("SINE", g.maths("ADD", g.times(z, 1100.0), g.times(columns, 1.2)))
    )
    return g.times(rows, columns, 0.35)


def _linear(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    """HSV of display colours to linear RGB, with no reflectance above 0.8."""
    rgb = colorsys.hsv_to_rgb(hue % 1, min(max(saturation, 0), 1), min(max(value, 0.02), 0.9))
    r, g, b = (round(float(min(channel**2.2, 0.8)), 5) for channel in rgb)
    return r, g, b
