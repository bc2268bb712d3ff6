"""Whiskers: long stiff hairs beside the nose."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.animals import kinds
from models.renderer.animals.head import Head
from models.renderer.animals.nose_mouth import front
from models.renderer.mesh.geometry import Points, unit
from models.renderer.mesh.implicit import Shape


@dataclass(frozen=True, kw_only=True)
class Whiskers:
    """Lengths in decimetres."""

    count: float  # on each side; below 1 there are none
    length_dm: float
    radius_dm: float
    droop: float
    white: bool
    seed: int


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Whiskers:
    """Whiskers of the kind in `labels`."""
    pale = kinds.words(labels["kind"], "whiskers", "colours")
    white = pale[int(rng.integers(len(pale)))] == "white"
    return kinds.drawn(
        Whiskers, rng, labels["kind"], "whiskers", white=white, seed=int(rng.integers(2**31))
    )


def hairs(whiskers: Whiskers, head: Head, skull: Shape) -> Points | None:
    """Whiskers [n, 8, 3] of the resting head, or None."""
    count = int(whiskers.count)
    if count < 1:
        return None
    rng = np.random.default_rng(whiskers.seed)
    made = []
    for sign in (1.0, -1.0):
        x = head.pad_spread + head.pad_size * rng.uniform(0.1, 0.75, count)
        y = head.muzzle_y + head.pad_size * rng.uniform(-0.7, 0.35, count)
        roots = front(skull, x, y)
        rise = (y - head.muzzle_y) / head.pad_size * 0.45 + rng.normal(0, 0.05, count)
        way = unit(np.stack([np.ones(count), rise, -0.1 + rng.normal(0, 0.14, count)], axis=1))
        length = whiskers.length_dm * rng.uniform(0.55, 1.1, (count, 1, 1))
        t = np.linspace(0, 1, 8)[None, :, None]
        bend = np.array([0.0, -1.0, -0.6]) * whiskers.droop * t**2
        path = roots[:, None] + (way[:, None] * t + bend) * length
        made.append(path * np.array([sign, 1.0, 1.0]))
    return np.concatenate(made)
