"""Patterns of coats: how much of the second and of the light colour is at each point of the resting
skin."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.renderer.animals.head import Head, along_muzzle, along_neck
from models.renderer.mesh.geometry import Array, Points, bump, smoothstep


class Place:
    """Points [n, 3] of the resting skin as patterns see them; each attribute [n]."""

    def __init__(self, head: Head, points: Points, scale: float, seed: int) -> None:
        self.points, self.scale, self.seed = points, scale, seed
        self.side, self.y, self.z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
        self.muzzle, self.neck = along_muzzle(head, points), along_neck(head, points)
        self.wave = noise(points * 3.0, seed)
        centre = head.muzzle_root_y + (head.muzzle_y - head.muzzle_root_y) * self.muzzle
        self.below = centre - self.y
        """How far below the middle of the muzzle."""
        self.throat = self.side / head.neck_width + 0.12 * self.wave


@dataclass(frozen=True, kw_only=True)
class Shares:
    """[n] each, 0 to 1; the light colour lies below the second."""

    second: Array
    light: Array


def noise(points: Points, seed: int) -> Array:
    """Smooth, about -1 to 1, [n]: a sum of waves in random directions."""
    rng = np.random.default_rng(seed)
    ways, phases = rng.normal(0, 1.3, (7, 3)), rng.uniform(0, 2 * np.pi, 7)
    return np.asarray(np.sin(points @ ways.T + phases).sum(axis=1) / 3.0)


def _underside(at: Place) -> Array:
    """Sides and bottom of the muzzle, chin, lower cheeks and throat."""
    muzzle = smoothstep(0.1, 0.3, at.muzzle) * smoothstep(-0.1, 0.1, at.below + 0.08 * at.wave)
    jaw = smoothstep(0.05, 0.3, at.below + 0.1 * at.wave) * smoothstep(-0.3, 0.1, at.z)
    throat = smoothstep(0.5, 0.25, at.throat) * smoothstep(0.1, 0.2, at.neck) * (at.z > -0.6)
    return np.maximum.reduce([muzzle, jaw * (at.neck < 0.3), throat])


def _cheeks(at: Place) -> Array:
    low = smoothstep(0.0, -0.2, at.y + 0.12 - 0.22 * at.side + 0.08 * at.wave)
    return low * smoothstep(0.25, 0.45, at.side) * smoothstep(-0.7, -0.4, at.z) * (at.neck < 0.45)


def _brows(at: Place) -> Array:
    return bump(at.side, 0.34, 0.15) * bump(at.y, 0.34, 0.11) * (at.z > 0.2)


def _eyes(at: Place) -> Array:
    return bump(at.side, 0.42, 0.3) * bump(at.y, 0.05, 0.26) * (at.z > 0.2)


def _blaze(at: Place) -> Array:
    narrow = 0.15 + 0.05 * np.sin(2.2 * at.y + at.seed % 7)
    stripe = smoothstep(narrow + 0.04, narrow - 0.04, at.side + 0.04 * at.wave)
    return stripe * (at.z > -0.1) * smoothstep(0.12, 0.0, at.below)


def solid(at: Place) -> Shares:
    """One colour, a little paler below the muzzle."""
    return Shares(second=np.zeros(len(at.y)), light=0.12 * _underside(at))


def tabby(at: Place) -> Shares:
    """Stripes up the forehead, back over the cheeks and around the neck."""
    light = 0.75 * np.maximum(_underside(at) * (at.neck < 0.2), 0.6 * _eyes(at))
    return Shares(second=0.85 * _stripes(at, 1.2), light=light)


def tiger(at: Place) -> Shares:
    """Bold stripes; white cheeks, brows, muzzle and throat."""
    white = np.maximum.reduce([_underside(at), _cheeks(at), _brows(at)])
    return Shares(second=_stripes(at, 1.6), light=white)


def _stripes(at: Place, sharp: float) -> Array:
    top = smoothstep(0.18, 0.42, at.y) * smoothstep(-0.3, 0.1, at.z)
    across = at.y * 10 - 3.0 * at.side
    phase = at.scale * (top * (at.side * 15 + 2.4) + (1 - top) * across)
    phase = phase + 0.9 * noise(at.points * 1.8, at.seed)
    wide = smoothstep(0.1, 0.8, 0.5 + 0.5 * np.sin(phase)) ** sharp
    off_middle = smoothstep(0.1, 0.25, at.side + (at.y > 0.3) + (at.z < 0.1))
    return np.asarray(wide * smoothstep(0.4, 0.12, at.muzzle) * off_middle * (1 - _eyes(at)))


def spotted(at: Place) -> Shares:
    """Blots."""
    place = at.points * at.scale * 4.2
    jitter = np.stack([noise(at.points * 1.6, at.seed + n) for n in range(3)], axis=1)
    x, y, z = (place + 1.0 * jitter).T * 2.1
    waves = np.sin(x + 0.7) * np.sin(y + at.seed % 7) * np.sin(z)
    return Shares(
        second=smoothstep(0.10, 0.22, waves + 0.1 * jitter[:, 0]) * (at.muzzle < 0.75),
        light=0.3 * _underside(at),
    )


def bicolour(at: Place) -> Shares:
    """A blaze, muzzle, chest and neck in the light colour."""
    muzzle = smoothstep(0.2, 0.45, at.muzzle + 0.1 * at.wave)
    neck = smoothstep(0.3, 0.42, at.neck + 0.06 * at.wave)
    chest = smoothstep(0.55, 0.4, at.throat) * smoothstep(0.1, 0.25, at.neck) * (at.z > -0.6)
    blaze = _blaze(at) * smoothstep(0.75, 0.55, at.y)
    return Shares(second=np.zeros(len(at.y)), light=np.maximum.reduce([blaze, muzzle, neck, chest]))


def mask(at: Place) -> Shares:
    """Dark muzzle and around the eyes."""
    dark = np.maximum(smoothstep(0.15, 0.55, at.muzzle + 0.1 * at.wave), 0.75 * _eyes(at))
    return Shares(second=dark, light=np.zeros(len(at.y)))


def fox(at: Place) -> Shares:
    """White cheeks, muzzle's sides and bib."""
    tears = bump(at.side, 0.2, 0.06) * bump(at.y, -0.2, 0.12) * (at.z > 0.5)
    return Shares(second=0.5 * tears, light=np.maximum(_underside(at), _cheeks(at)))


def wild(at: Place) -> Shares:
    """A dark cap and back, pale cheeks, brows and muzzle: as wolves have it."""
    cap = smoothstep(0.15, 0.5, at.y + 0.1 * at.wave) * 0.75
    back = smoothstep(0.0, -0.5, at.z + 0.1 * at.wave) * 0.8
    bridge = smoothstep(0.16, 0.08, at.side) * smoothstep(0.0, -0.2, at.below) * 0.55
    ruff = smoothstep(0.3, 0.5, at.neck + 0.1 * at.wave) * smoothstep(0.4, 0.7, at.throat) * 0.7
    light = np.maximum.reduce([_underside(at), _cheeks(at), _brows(at)])
    second = np.maximum.reduce([cap, back, bridge, ruff]) * (1 - 0.9 * _brows(at))
    return Shares(second=second, light=light)


def bib(at: Place) -> Shares:
    """Pale below, and around the eyes."""
    return Shares(second=np.zeros(len(at.y)), light=np.maximum(_underside(at), 0.5 * _eyes(at)))


def lion(at: Place) -> Shares:
    """A pale muzzle and chin, pale below the eyes."""
    below = bump(at.side, 0.4, 0.2) * bump(at.y, -0.14, 0.13) * (at.z > 0.2)
    pale = np.maximum(_underside(at) * (at.neck < 0.15), 0.7 * below)
    return Shares(second=np.zeros(len(at.y)), light=pale)


def muzzle(at: Place) -> Shares:
    """A pale muzzle, as bears have it."""
    return Shares(
        second=np.zeros(len(at.y)), light=0.85 * smoothstep(0.1, 0.5, at.muzzle + 0.1 * at.wave)
    )


def panda(at: Place) -> Shares:
    """Dark drops around the eyes, a dark chest."""
    across, up = at.side - 0.43 + 0.25 * (at.y - 0.05), at.y - 0.03 + 0.45 * (at.side - 0.43)
    eyes = smoothstep(1.15, 0.85, np.hypot(across / 0.2, up / 0.29)) * (at.z > 0.3)
    chest = smoothstep(0.42, 0.52, at.neck)
    return Shares(second=np.maximum(eyes, chest), light=np.zeros(len(at.y)))


def blaze(at: Place) -> Shares:
    """A stripe of the light colour from the forehead to the nose."""
    return Shares(second=np.zeros(len(at.y)), light=_blaze(at) * smoothstep(0.5, 0.35, at.y))


def wool(at: Place) -> Shares:
    """A dark face that looks out of its wool."""
    face = smoothstep(0.0, 0.3, at.z + 0.1 * at.wave) * smoothstep(0.62, 0.45, at.y)
    return Shares(second=face * (at.neck < 0.25), light=np.zeros(len(at.y)))


def disc(at: Place) -> Shares:
    """A pale face with a dark rim, as owls have it; a speckled body."""
    out = np.hypot((at.side - 0.4) / 0.55, (at.y + 0.02) / 0.6)
    front = smoothstep(0.05, 0.3, at.z)
    face = smoothstep(1.05, 0.9, out) * front
    rim = bump(out, 1.1, 0.14) * front
    specks = smoothstep(0.1, 0.5, noise(at.points * 7.0, at.seed)) * (1 - face) * 0.8
    return Shares(second=np.maximum(rim, specks), light=face)


PATTERNS: dict[str, Callable[[Place], Shares]] = {
    made.__name__: made
    for made in (
        solid, tabby, spotted, bicolour, mask, tiger, fox, wild, bib, lion, muzzle, panda, blaze,
        wool, disc,
    )
}  # fmt: skip
"""The first five can be ordered of every kind."""
DARK_EARS = {
    "solid": 0.3,
    "wool": 1.0,
    "fox": 1.0,
    "tiger": 0.8,
    "mask": 0.8,
    "panda": 1.0,
    "wild": 0.6,
}
"""How much of the second colour the backs of the ears have."""
