"""Skies: clouds, clear and dusk, above land."""

from collections.abc import Sequence

import numpy as np

from models.renderer.scene.sphere import TILE, Direction, Picture, Rng, noise_at, towards
from models.scenes.textures import colour


def clouds(rng: Rng, seen: Picture, lamps: Sequence[Direction]) -> Picture:
    """An overcast sky, three times as bright above as at the horizon (Moon and Spencer 1942), over
    land."""
    up = np.clip(seen[..., 2], 0, 1)
    sky = ((1 + 2 * up) / 3)[..., None] * np.array([0.93, 0.97, 1.05])
    sky = sky * (1 + 0.18 * _overhead(rng, seen, 1.6))[..., None]
    return _above_land(rng, seen, sky, 0.7)


def clear_sky(rng: Rng, seen: Picture, lamps: Sequence[Direction]) -> Picture:
    """Blue, paler at the horizon, brightest around the sun; some clouds."""
    up, near = np.clip(seen[..., 2], 0, 1), np.clip(seen @ towards(lamps[0]), 0, 1)
    zenith, haze = (
        colour(rng, np.array([0.25, 0.4, 0.75]), 0.04),
        colour(rng, np.array([0.75, 0.85, 1.0]), 0.05),
    )
    sky = haze + (zenith - haze) * (up**0.45)[..., None]
    sky = sky + (1.6 * near**12 + 5.0 * near**160)[..., None] * np.array([1.0, 0.93, 0.8])
    cover = np.clip(
        (_overhead(rng, seen, 1.4) - rng.uniform(-0.3, 1.6)) * rng.uniform(0.5, 2), 0, 1
    )
    cloud = 0.9 + 0.9 * near[..., None] * np.array([1.0, 0.96, 0.9])
    return _above_land(rng, seen, sky + (cloud - sky) * cover[..., None], 1.0)


def dusk(rng: Rng, seen: Picture, lamps: Sequence[Direction]) -> Picture:
    """After sunset: glow in the direction of the warm light, blue above, lights in the dark
    below."""
    up, near = np.clip(seen[..., 2], 0, 1), np.clip(seen @ towards((lamps[0][0], 0.0)), 0, 1)
    zenith, glow = (
        colour(rng, np.array([0.06, 0.09, 0.18]), 0.02),
        np.array([1.0, 0.45, 0.2]) * rng.uniform(0.6, 1.4),
    )
    band = np.exp(-up / rng.uniform(0.1, 0.35)) * (0.15 + 0.85 * near**2)
    sky = zenith * (1 + (1 - up))[..., None] + band[..., None] * glow
    sky = sky * (1 + 0.25 * _overhead(rng, seen, 1.6))[..., None]
    scene = _above_land(rng, seen, sky, 0.12)
    lights = (
        noise_at(rng, np.arctan2(seen[..., 1], seen[..., 0]) * 40, seen[..., 2] * 40, 0.0) > 2.4
    ) & (np.abs(seen[..., 2] + 0.05) < 0.16)
    scene[lights] = np.array([1.0, 0.7, 0.4]) * 8
    return scene


def _above_land(rng: Rng, seen: Picture, sky: Picture, light: float) -> Picture:
    """The sky over a skyline of trees or houses, and ground; `light` falls on them."""
    azimuth, up = np.arctan2(seen[..., 1], seen[..., 0]), seen[..., 2]
    kind = rng.random()
    height = rng.uniform(0.0, 0.5) * (
        0.6 + 0.3 * noise_at(rng, azimuth * TILE / (2 * np.pi), 0 * azimuth, 1.0)
    )
    if kind < 0.5:  # houses: steps
        height = np.round(height * 8) / 8 + 0.04
        far = colour(rng, np.array([0.45, 0.42, 0.4]), 0.1)
    else:
        height = height + 0.03 * noise_at(rng, azimuth * TILE / 0.8, up * 30, 0.5)
        far = colour(rng, np.array([0.1, 0.14, 0.06]), 0.03)
    below = up < height
    grounds = (
        [0.12, 0.16, 0.06],
        [0.55, 0.48, 0.36],
        [0.22, 0.22, 0.23],
        [0.35, 0.3, 0.26],
        [0.8, 0.82, 0.86],
    )
    ground = colour(rng, np.array(grounds[rng.choice(5, p=[0.3, 0.15, 0.3, 0.2, 0.05])]), 0.03)
    grain = 1 + 0.15 * noise_at(rng, azimuth * 20, up * 40, 0.8)
    land = np.where((up > -0.02)[..., None], far, ground) * (light * grain)[..., None]
    return np.where(below[..., None], np.clip(land, 0, None), np.clip(sky, 0, None))


def _overhead(rng: Rng, seen: Picture, exponent: float) -> Picture:
    """Noise on a flat layer above: it crowds at the horizon."""
    scale = rng.uniform(4, 12) / (np.clip(seen[..., 2], 0, 1) + 0.12)
    return noise_at(rng, seen[..., 0] * scale, seen[..., 1] * scale, exponent)
