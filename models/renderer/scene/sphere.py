"""Directions around the face, and noise on planes that they meet.

Directions [h, w, 3] are seen from the face: x towards the camera, y to the picture's right, z up.
Azimuth is 0 towards the camera and grows to the right, as a lamp's (`light.py`).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from models.scenes.textures import noise_field

ROWS = 160
TILE = 64
"""Samples of a noise field, which repeats."""

Picture = NDArray[np.floating]
Direction = tuple[float, float]
"""Azimuth and elevation in radians."""
Rng = np.random.Generator


def directions(rows: int = ROWS) -> Picture:
    """Unit vectors [rows, 2 rows, 3] of an equirectangular picture: azimuth pi to -pi, elevation
    down from pi / 2."""
    elevation = (0.5 - (np.arange(rows) + 0.5) / rows) * np.pi
    azimuth = (0.5 - (np.arange(2 * rows) + 0.5) / (2 * rows)) * 2 * np.pi
    level, up = np.cos(elevation)[:, None], np.sin(elevation)[:, None]
    return np.stack(
        [level * np.cos(azimuth), level * np.sin(azimuth), up * np.ones_like(azimuth)], axis=2
    )


def towards(direction: Direction) -> Picture:
    """The unit vector of an azimuth and elevation."""
    azimuth, elevation = direction
    level = np.cos(elevation)
    return np.array([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)])


def noise_at(rng: Rng, x: Picture, y: Picture, exponent: float) -> Picture:
    """1/f^exponent noise of zero mean and unit variance at places x, y; it repeats after TILE."""
    field = noise_field(rng, TILE, exponent)
    return np.asarray(map_coordinates(field, [y, x], order=1, mode="grid-wrap"))
