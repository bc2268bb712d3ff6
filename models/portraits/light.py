"""Light: a sky or room around the person, and lamps."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.portraits.geometry import Array
from models.portraits.nodes import Graph
from models.portraits.scene import Lamp


@dataclass(frozen=True, kw_only=True)
class LampSpec:
    """Seen from the camera: azimuth to the picture's right, elevation above the face, in radians."""

    kind: str
    azimuth_rad: float
    elevation_rad: float
    distance_dm: float
    size: float
    """Side of a square in dm, or a sun's angle in radians."""
    irradiance: float
    """At the face, relative."""
    rgb: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Light:
    """A world that fades between three colours from below to above, and lamps."""

    below_rgb: tuple[float, float, float]
    level_rgb: tuple[float, float, float]
    above_rgb: tuple[float, float, float]
    strength: float
    side: float
    """How much more comes from one side, -1 to 1."""
    lamps: tuple[LampSpec, ...]


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Light:
    """The lighting named in `labels`."""
    return {"studio": _studio, "window": _window, "overcast": _overcast, "sun": _sun, "evening": _evening}[
        labels["light"]
    ](rng)


def kelvin(warmth: float) -> tuple[float, float, float]:
    """A tint: 0 neutral, 1 like a candle, -1 like deep shade."""
    r, g, b = np.clip([1 + 0.42 * warmth, 1 + 0.02 * warmth, 1 - 0.5 * warmth], 0.1, 2).round(4).tolist()
    return r, g, b


def _studio(rng: np.random.Generator) -> Light:
    side = 1 if rng.random() < 0.5 else -1
    key = _lamp(
        "AREA", side * rng.uniform(0.3, 1.0), rng.uniform(0.2, 0.7), 15, rng.uniform(5, 14), 3.2, rng.normal(0, 0.06)
    )
    fill = _lamp(
        "AREA", -side * rng.uniform(0.5, 1.2), rng.uniform(0, 0.3), 18, 14, rng.uniform(0.3, 1.1), rng.normal(0, 0.08)
    )
    rim = _lamp(
        "AREA", -side * rng.uniform(2.2, 2.8), rng.uniform(0.2, 0.7), 14, 5, rng.uniform(0.8, 3.0), rng.normal(0, 0.1)
    )
    lamps = (key, fill, rim) if rng.random() < 0.7 else (key, fill)
    grey = rng.uniform(0.5, 1.0)
    return _world(grey * 0.6, grey, grey * 1.1, 0.0, 0.25, 0.0, lamps)


def _window(rng: np.random.Generator) -> Light:
    side = 1 if rng.random() < 0.5 else -1
    warmth = rng.normal(-0.12, 0.08)
    key = _lamp(
        "AREA",
        side * rng.uniform(0.7, 1.5),
        rng.uniform(0.05, 0.35),
        16,
        rng.uniform(10, 18),
        rng.uniform(2.2, 3.2),
        warmth,
    )
    return _world(0.5, 0.7, 0.8, rng.uniform(0.05, 0.3), rng.uniform(0.35, 0.7), side * rng.uniform(0.2, 0.6), (key,))


def _overcast(rng: np.random.Generator) -> Light:
    key = _lamp("AREA", rng.normal(0, 0.6), rng.uniform(0.8, 1.2), 20, 20, rng.uniform(0.5, 1.2), -0.05)
    return _world(0.35, 0.75, 1.15, rng.uniform(-0.15, 0.0), rng.uniform(0.85, 1.1), rng.uniform(-0.3, 0.3), (key,))


def _sun(rng: np.random.Generator) -> Light:
    azimuth = rng.choice([-1, 1]) * (rng.uniform(0.4, 1.1) if rng.random() < 0.7 else rng.uniform(2.2, 2.8))
    sun = _lamp(
        "SUN",
        azimuth,
        rng.uniform(0.45, 0.95),
        50,
        rng.uniform(0.01, 0.05),
        rng.uniform(2.6, 3.8),
        rng.uniform(0.05, 0.25),
    )
    return _world(0.5, 0.6, 0.75, -0.18, rng.uniform(0.5, 0.8), 0.0, (sun,))


def _evening(rng: np.random.Generator) -> Light:
    side = rng.choice([-1, 1])
    warm = _lamp(
        "AREA",
        side * rng.uniform(0.4, 1.4),
        rng.uniform(-0.05, 0.4),
        14,
        rng.uniform(3, 8),
        rng.uniform(2.0, 3.0),
        rng.uniform(0.35, 0.7),
    )
    cool = _lamp(
        "AREA",
        -side * rng.uniform(0.8, 2.4),
        rng.uniform(0, 0.5),
        16,
        rng.uniform(4, 9),
        rng.uniform(0.4, 1.4),
        rng.uniform(-0.6, -0.1),
    )
    return _world(0.4, 0.5, 0.6, rng.uniform(-0.3, 0.2), rng.uniform(0.2, 0.35), side * 0.3, (warm, cool))


def _lamp(
    kind: str, azimuth: float, elevation: float, distance: float, size: float, irradiance: float, warmth: float
) -> LampSpec:
    return LampSpec(
        kind=kind,
        azimuth_rad=float(azimuth),
        elevation_rad=float(elevation),
        distance_dm=float(distance),
        size=float(size),
        irradiance=float(irradiance),
        rgb=kelvin(warmth),
    )


def _world(
    below: float, level: float, above: float, warmth: float, strength: float, side: float, lamps: tuple[LampSpec, ...]
) -> Light:
    tint = np.array(kelvin(warmth))

    def grey(value: float) -> tuple[float, float, float]:
        r, g, b = (tint * value).round(4).tolist()
        return r, g, b

    return Light(
        below_rgb=grey(below),
        level_rgb=grey(level),
        above_rgb=grey(above),
        strength=float(strength),
        side=float(side),
        lamps=lamps,
    )


def world(light: Light, right: Array) -> Graph:
    """The surroundings. `right`: the camera's right in Blender's frame."""
    g = Graph()
    direction = g.node("ShaderNodeTexCoord", output="Generated")
    height = g.node("ShaderNodeSeparateXYZ", {0: direction}, output=2)
    lower = g.mix(g.ramp(height, -0.6, 0.1), light.below_rgb, light.level_rgb)
    colour = g.mix(g.ramp(height, 0.0, 0.8), lower, light.above_rgb)
    across = g.node("ShaderNodeVectorMath", {0: direction, 1: right.tolist()}, output="Value", operation="DOT_PRODUCT")
    one_side = g.maths("ADD", g.times(across, light.side), 1.0)
    tinted = g.node("ShaderNodeVectorMath", {0: colour, "Scale": one_side}, operation="SCALE")
    return g.world(tinted, light.strength)


def lamps(light: Light, axes: Array, face: Array) -> tuple[Lamp, ...]:
    """The lamps around a face; axes: the camera's right, up and forward."""
    right, up, forward = axes
    made = []
    for lamp in light.lamps:
        level = np.sin(lamp.azimuth_rad) * right - np.cos(lamp.azimuth_rad) * forward
        towards = np.cos(lamp.elevation_rad) * level + np.sin(lamp.elevation_rad) * up
        position = face + towards * lamp.distance_dm
        distance_m = lamp.distance_dm * 0.1
        power = lamp.irradiance if lamp.kind == "SUN" else lamp.irradiance * np.pi**2 * distance_m**2
        made.append(
            Lamp(
                kind=lamp.kind,
                position=tuple(position.tolist()),
                target=tuple(face.tolist()),
                size=lamp.size,
                power=float(power),
                rgb=lamp.rgb,
            )
        )
    return tuple(made)
