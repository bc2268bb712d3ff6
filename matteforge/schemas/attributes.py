"""Attributes of rendered people: which can be ordered, and in which shares."""

import math
from collections.abc import Mapping
from typing import Literal

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "sex": ("female", "male"),
    "age": ("child", "young", "middle", "old"),
    "skin": ("tone1", "tone2", "tone3", "tone4", "tone5", "tone6"),  # light to dark
    "hair": ("bald", "short", "medium", "long", "curly", "tied"),
    "glasses": ("no", "yes"),
    "headwear": ("none", "hat", "headscarf", "headphones"),
    "beard": ("none", "stubble", "full"),
    "expression": ("neutral", "smile", "open_mouth", "frown", "surprise"),
    "pose": ("frontal", "half_left", "half_right", "down", "up"),
    "hand": ("no", "yes"),  # near the face
    "light": ("studio", "window", "overcast", "sun", "evening"),
    "clothes": ("tshirt", "shirt", "sweater", "jacket", "dress"),
    "background": ("plain", "room", "street", "foliage", "bokeh"),
}


MEMBERS_OF_ALL = ("fg", "trimap", "composite")
MEMBERS = (*MEMBERS_OF_ALL, "depth", "normals", "parts", "landmarks")
"""What can be ordered beyond image and alpha: of every source, and of rendered people."""
Framing = Literal["free", "aligned"]
"""How the camera frames: as photographers do, or with every head in one place and of one size."""


Distribution = Mapping[str, float | Mapping[str, float]]
"""What is ordered: attribute -> {value: share}, or the share of `yes`."""


Shares = dict[str, dict[str, float]]
"""Every attribute and value; an attribute's shares add up to 1. Those of beards: of males who are
no children."""


DEFAULTS: Distribution = {
    "hair": {"bald": 0.1},
    "glasses": 0.25,
    "headwear": {"none": 0.7},
    "beard": {"none": 0.5},
    "expression": {"neutral": 0.4, "smile": 0.3},
    "pose": {"frontal": 0.4},
    "hand": 0.1,
    "background": {"plain": 0.1},
}
"""What is not ordered; all else is spread evenly."""


TOLERANCE = 1e-9


def complete_shares(ordered: Distribution) -> Shares:
    """Shares of every value: as ordered, by default, and the rest spread evenly over values that
    are not named.

    Raises ValueError that names the attribute and what would be right.
    """
    if unknown := [name for name in ordered if name not in ATTRIBUTES]:
        raise ValueError(f"unknown attribute {unknown[0]!r:.50}; known: {', '.join(ATTRIBUTES)}")
    return {name: _complete(name, ordered.get(name, DEFAULTS.get(name, {}))) for name in ATTRIBUTES}


def _complete(name: str, ordered: float | Mapping[str, float]) -> dict[str, float]:
    values, where = ATTRIBUTES[name], f"attributes.{name}"
    if not isinstance(ordered, Mapping):
        if values != ("no", "yes"):
            raise ValueError(
                f"{where} needs a share by value, {{value: share}}; values: {', '.join(values)}"
            )
        ordered = {"yes": ordered}
    for value, share in ordered.items():
        if value not in values:
            raise ValueError(f"{where} has no value {value!r:.50}; known: {', '.join(values)}")
        if (
            isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1
        ):  # nor NaN
            raise ValueError(f"{where}.{value} must be a share from 0 to 1, not {share!r:.50}")
    rest, others = 1 - math.fsum(ordered.values()), len(values) - len(ordered)
    if rest < -TOLERANCE or (others == 0 and rest > TOLERANCE):
        wanted = "at most 1" if others else "1, since every value is named"
        raise ValueError(
            f"the shares of {where} add up to {1 - rest:g}; they must add up to {wanted}"
        )
    return {
        value: float(ordered[value]) if value in ordered else max(rest, 0.0) / others
        for value in values
    }
