"""Light: surroundings and lamps that agree with them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.mesh.geometry import Array
from models.renderer.scene.scene import Lamp, World, triple
from models.renderer.scene.surroundings import Surroundings, panorama


@dataclass(frozen=True, kw_only=True)
class LampSpec:
    """Seen from the camera: azimuth to the picture's right, elevation above the face, in
    radians."""

    kind: str
    azimuth_rad: float
    elevation_rad: float
    distance_dm: float
    size: float  # side of a square in dm, or a sun's angle in radians
    irradiance: float  # at the face, relative
    rgb: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Light:
    """What is around the subject, and lamps, the key light first."""

    surroundings: Surroundings
    lamps: tuple[LampSpec, ...]


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Light:
    """The lighting named in `labels`."""
    return {
        "studio": _studio,
        "window": _window,
        "overcast": _overcast,
        "sun": _sun,
        "evening": _evening,
    }[labels["light"]](rng)


def kelvin(warmth: float) -> tuple[float, float, float]:
    """A tint: 0 neutral, 1 like a candle, -1 like deep shade."""
    r, g, b = (
        np.clip([1 + 0.42 * warmth, 1 + 0.02 * warmth, 1 - 0.5 * warmth], 0.1, 2).round(4).tolist()
    )
    return r, g, b


def _studio(rng: np.random.Generator) -> Light:
    side = 1 if rng.random() < 0.5 else -1
    key = _lamp(
        "AREA", side * rng.uniform(0.3, 1.0), rng.uniform(0.2, 0.7), 15, rng.uniform(5, 14), 3.2,
        rng.normal(0, 0.06),
    )  # fmt: skip
    fill = _lamp(
        "AREA", -side * rng.uniform(0.5, 1.2), rng.uniform(0, 0.3), 18, 14, rng.uniform(0.3, 1.1),
        rng.normal(0, 0.08),
    )  # fmt: skip
    rim = _lamp(
        "AREA", -side * rng.uniform(2.2, 2.8), rng.uniform(0.2, 0.7), 14, 5, rng.uniform(0.8, 3.0),
        rng.normal(0, 0.1),
    )  # fmt: skip
    lamps = (key, fill, rim) if rng.random() < 0.7 else (key, fill)
    return _light(rng, "studio", rng.uniform(0.15, 0.35), 0.0, lamps)


def _window(rng: np.random.Generator) -> Light:
    side = 1 if rng.random() < 0.5 else -1
    warmth = rng.normal(-0.12, 0.08)
    key = _lamp(
        "AREA", side * rng.uniform(0.7, 1.5), rng.uniform(0.05, 0.35), 16, rng.uniform(10, 18),
        rng.uniform(2.2, 3.2), warmth,
    )  # fmt: skip
    return _light(rng, "room", rng.uniform(0.25, 0.5), rng.uniform(-0.05, 0.15), (key,))


def _overcast(rng: np.random.Generator) -> Light:
    key = _lamp(
        "AREA", rng.normal(0, 0.6), rng.uniform(0.8, 1.2), 20, 20, rng.uniform(0.5, 1.2), -0.05
    )
    return _light(rng, "clouds", rng.uniform(0.6, 0.8), rng.uniform(-0.1, 0.05), (key,))


def _sun(rng: np.random.Generator) -> Light:
    azimuth = rng.choice([-1, 1]) * (
        rng.uniform(0.4, 1.1) if rng.random() < 0.7 else rng.uniform(2.2, 2.8)
    )
    sun = _lamp(
        "SUN", azimuth, rng.uniform(0.45, 0.95), 50, rng.uniform(0.01, 0.05), rng.uniform(2.6, 3.8),
        rng.uniform(0.05, 0.25),
    )  # fmt: skip
    return _light(rng, "clear", rng.uniform(0.2, 0.34), 0.0, (sun,))


def _evening(rng: np.random.Generator) -> Light:
    side = rng.choice([-1, 1])
    warm = _lamp(
        "AREA", side * rng.uniform(0.4, 1.4), rng.uniform(-0.05, 0.4), 14, rng.uniform(3, 8),
        rng.uniform(2.0, 3.0), rng.uniform(0.35, 0.7),
    )  # fmt: skip
    cool = _lamp(
        "AREA", -side * rng.uniform(0.8, 2.4), rng.uniform(0, 0.5), 16, rng.uniform(4, 9),
        rng.uniform(0.4, 1.4), rng.uniform(-0.6, -0.1),
    )  # fmt: skip
    kind = "night_room" if rng.random() < 0.6 else "dusk"
    return _light(rng, kind, rng.uniform(0.1, 0.2), 0.0, (warm, cool))


def _lamp(
    kind: str, azimuth: float, elevation: float, distance: float, size: float, irradiance: float,
    warmth: float,
) -> LampSpec:  # fmt: skip
    return LampSpec(
        kind=kind, azimuth_rad=float(azimuth), elevation_rad=float(elevation),
        distance_dm=float(distance), size=float(size), irradiance=float(irradiance),
        rgb=kelvin(warmth),
    )  # fmt: skip


def _light(
    rng: np.random.Generator, kind: str, strength: float, warmth: float, lamps: tuple[LampSpec, ...]
) -> Light:
    around = Surroundings(
        kind=kind, seed=int(rng.integers(2**31)), strength=float(strength), rgb=kelvin(warmth)
    )
    return Light(surroundings=around, lamps=lamps)


def world(light: Light, axes: Array) -> World:
    """The surroundings, turned to the camera; axes: its right, up and forward."""
    picture = panorama(
        light.surroundings, [(lamp.azimuth_rad, lamp.elevation_rad) for lamp in light.lamps]
    )
    return World(panorama=picture, towards=triple(-axes[2]))


def lamps(light: Light, axes: Array, face: Array) -> tuple[Lamp, ...]:
    """The lamps around a face; axes: the camera's right, up and forward."""
    right, up, forward = axes
    made = []
    for lamp in light.lamps:
        level = np.sin(lamp.azimuth_rad) * right - np.cos(lamp.azimuth_rad) * forward
        towards = np.cos(lamp.elevation_rad) * level + np.sin(lamp.elevation_rad) * up
        position = face + towards * lamp.distance_dm
        distance_m = lamp.distance_dm * 0.1
        power = lamp.irradiance * np.pi * (1.0 if lamp.kind == "SUN" else np.pi * distance_m**2)
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
