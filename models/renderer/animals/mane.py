"""Long hair beside the fur: a lion's mane, a horse's mane and forelock, a goat's beard, a woolly
crown."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from models.renderer.animals import kinds
from models.renderer.animals.coat import Coat
from models.renderer.animals.fur import Fur
from models.renderer.animals.head import Head, across_neck, along_muzzle, along_neck
from models.renderer.animals.patterns import noise
from models.renderer.mesh.geometry import Array, Points, smoothstep


@dataclass(frozen=True, kw_only=True)
class Mane:
    """Lengths in decimetres; 0: none."""

    ruff_dm: float  # all around the head and neck
    crest_dm: float  # along the middle of the neck, and as a forelock between the ears
    beard_dm: float  # below the chin
    shade: float  # its colour's brightness, a share of the coat's
    dark: float  # how much of the coat's second colour it has
    radius_dm: float
    falls: float  # which way that along the neck falls: 1 to the left, -1 to the right
    seed: int


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Mane:
    """A mane where the kind in `labels` has one."""
    falls = 1.0 if rng.random() < 0.5 else -1.0
    return kinds.drawn(
        Mane, rng, labels["kind"], "mane", falls=falls, seed=int(rng.integers(2**31))
    )


def shares(mane: Mane, head: Head, points: Points) -> dict[str, Array]:
    """Where `ruff`, `crest` and `beard` grow on the resting skin, 0 to 1."""
    side, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    neck, muzzle = along_neck(head, points), along_muzzle(head, points)
    found = {}
    if mane.ruff_dm > 0.01:
        out = np.hypot(points[:, 0] / head.skull_width, (y + 0.1) / head.skull_height)
        ring = smoothstep(0.74, 0.92, out) * smoothstep(0.55, 0.2, z)
        found["ruff"] = np.maximum(ring, smoothstep(0.18, 0.35, neck)) * smoothstep(1.5, 1.1, neck)
    if mane.crest_dm > 0.01:
        back = smoothstep(0.5, 0.75, across_neck(head, points)) * (neck > -0.1)
        found["crest"] = smoothstep(0.2, 0.1, side) * back * smoothstep(1.3, 1.1, neck)
        top = smoothstep(0.55, 0.75, y / head.skull_height)
        found["forelock"] = smoothstep(0.22, 0.12, side) * top * smoothstep(-0.3, -0.1, z)
    if mane.beard_dm > 0.01:
        chin_y = head.muzzle_y - head.chin_y
        found["beard"] = (
            smoothstep(0.22, 0.12, side)
            * smoothstep(0.45, 0.65, muzzle)
            * smoothstep(chin_y + 0.05, chin_y - 0.1, y)
        )
    return found


def length_dm(mane: Mane, name: str) -> float:
    """Length of the longest hairs of a part of the mane."""
    return {"ruff": mane.ruff_dm, "beard": mane.beard_dm, "forelock": mane.crest_dm * 0.8}.get(
        name, mane.crest_dm
    )


def mane_lies(mane: Mane, name: str, places: Points) -> Points:
    """Which way each part of the mane leaves the skin, [n, 3], not yet along it."""
    one, side = np.ones(len(places)), np.sign(places[:, 0])
    if name == "ruff":
        out = places * np.array([1.0, 1.0, 0.3]) + np.array([0.0, 0.1, -0.35])
        out[:, 1] -= smoothstep(0.0, -1.2, places[:, 1]) * 1.2
        return out
    if name == "crest":
        return np.stack([mane.falls * one, -0.4 * one, 0 * one], axis=1)
    if name == "forelock":
        return np.stack([0.25 * one + 0.2 * side, -0.6 * one, one], axis=1)
    return np.stack([0.1 * side, -one, 0.25 * one], axis=1)


def style(mane: Mane, name: str, fur: Fur) -> Fur:
    """How a part of the mane is combed: like the fur, but hanging, in locks."""
    return replace(
        fur, wind=_calmer(fur.wind),
        lift=0.55 if name == "ruff" else 0.35, gravity=0.3 if name == "ruff" else 0.6,
        clump=0.55, frizz=max(fur.frizz, 0.08), curl_dm=max(fur.curl_dm, 0.012), curls_per_dm=1.2,
    )  # fmt: skip


def _calmer(wind: tuple[float, float, float]) -> tuple[float, float, float]:
    x, y, z = (0.4 * each for each in wind)
    return x, y, z


def mane_rgb(mane: Mane, coat: Coat, places: Points) -> Array:
    """Linear RGB [n, 3] of its hairs."""
    first, second = np.array(coat.rgb), np.array(coat.second_rgb)
    tone = 1 + 0.25 * noise(places * 4.0, mane.seed)
    mixed = (first + (second - first) * mane.dark) * mane.shade
    return np.clip(mixed * tone[:, None], 0.003, 0.9)
