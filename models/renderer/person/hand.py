"""A hand at the cheek or below the chin: which, and how the arm gets there."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from models.renderer.mesh.geometry import Array, Points, rotated, tangent, unit
from models.renderer.person.makehuman import base_mesh

# knuckles in the head's frame, for the left hand: left, up and front of the head's joint, dm
PLACES = {
    "cheek": (0.86, -0.1, 0.95),
    "jaw": (0.74, -0.5, 1.0),
    "chin": (0.3, -0.85, 1.3),
}
FINGERS = {"cheek": (-0.12, 1.0, -0.1), "jaw": (-0.3, 0.9, 0.25), "chin": (-0.9, 0.35, 0.15)}
"""Where the fingers point, likewise."""
PALMS = {"cheek": (-1.0, 0.0, -0.1), "jaw": (-0.9, -0.2, -0.5), "chin": (-0.2, 1.0, -0.3)}
"""Where the palm looks."""
PALM_DM = 0.12
"""Half the thickness of a hand."""
WRIST_LIMIT_RAD = 1.2
ELBOW = (0.5, -1.0, 0.6)
"""Towards which the elbow of the left arm gives way."""


@dataclass(frozen=True, kw_only=True)
class Hand:
    """A raised hand."""

    side: str
    """`left` or `right`, the person's; empty: both hang."""
    place: str
    away_dm: float
    """From the place, sideways."""
    lean_rad: float
    """How far the fingers lean sideways."""


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Hand:
    """A hand where `labels` want one."""
    side, place = str(rng.choice(["left", "right"])), str(rng.choice(list(PLACES)))
    side = {"half_left": "left", "half_right": "right"}.get(
        labels["pose"], side
    )  # the cheek that is seen
    away, lean = rng.uniform(0, 0.25), rng.normal(0, 0.15)
    raised = labels["hand"] == "yes"
    return Hand(side=side if raised else "", place=place, away_dm=float(away), lean_rad=float(lean))


def raise_hand(hand: Hand, points: Points, head: Array, axes: Array) -> Points:
    """A posed mesh with one hand brought near the head: its joint, and its left, up and front."""
    if not hand.side:
        return points
    mesh, sign = base_mesh(), 1.0 if hand.side == "left" else -1.0
    side, letter = f".{hand.side[0].upper()}", hand.side[0]

    def joint(name: str) -> Array:
        return mesh.joint(points, f"{letter}-{name}")

    def length(a: str, b: str) -> float:
        return float(np.linalg.norm(joint(a) - joint(b)))

    def mirrored(vector: tuple[float, float, float]) -> Array:
        return np.array(vector) * [sign, 1, 1]

    fingers = Rotation.from_rotvec(hand.lean_rad * axes[2]).apply(
        unit(mirrored(FINGERS[hand.place]) @ axes)
    )
    palm = tangent(mirrored(PALMS[hand.place]) @ axes, fingers)
    knuckles = head + mirrored(PLACES[hand.place]) @ axes - palm * (PALM_DM + hand.away_dm)
    wrist = knuckles - fingers * length("hand", "finger-3-1")
    elbow = _elbow(
        joint("shoulder"),
        wrist,
        length("shoulder", "elbow"),
        length("elbow", "hand"),
        mirrored(ELBOW),
    )
    points = _swung(
        points, joint("shoulder"), joint("elbow"), elbow, mesh.limb_weight("upperarm", side)
    )
    points = _swung(
        points, joint("elbow"), joint("hand"), wrist, mesh.limb_weight("lowerarm", side)
    )
    fingers = _bent(unit(joint("hand") - joint("elbow")), fingers)
    along = unit(joint("finger-3-1") - joint("hand"))
    facing = np.cross(along, joint("finger-2-1") - joint("finger-5-1")) * sign
    turn, _ = Rotation.align_vectors(
        [fingers, tangent(palm, fingers)], [along, tangent(facing, along)]
    )
    return rotated(points, joint("hand"), turn.as_rotvec(), mesh.limb_weight("wrist", side))


def _bent(forearm: Array, fingers: Array) -> Array:
    """`fingers`, as far from the forearm's direction as a wrist bends."""
    axis = np.cross(forearm, fingers)
    angle = np.arctan2(np.linalg.norm(axis), forearm @ fingers)
    return np.asarray(Rotation.from_rotvec(unit(axis) * min(angle, WRIST_LIMIT_RAD)).apply(forearm))


def _elbow(shoulder: Array, wrist: Array, upper: float, fore: float, towards: Array) -> Array:
    """Where the elbow goes: on the circle that both bones' lengths leave, as far `towards` as it
    can."""
    reach = wrist - shoulder
    distance = float(np.clip(np.linalg.norm(reach), abs(upper - fore) + 0.05, upper + fore - 0.05))
    axis = unit(reach)
    along = (upper**2 - fore**2 + distance**2) / (2 * distance)
    out = unit(towards - (towards @ axis) * axis)
    return np.asarray(shoulder + axis * along + out * np.sqrt(max(upper**2 - along**2, 0.0)))


def _swung(points: Points, pivot: Array, end: Array, target: Array, weights: Array) -> Points:
    """Turned about `pivot` so that `end` comes to lie in the direction of `target`."""
    a, b = unit(end - pivot), unit(target - pivot)
    axis = np.cross(a, b)
    angle = np.arctan2(np.linalg.norm(axis), a @ b)
    return rotated(points, pivot, unit(axis) * angle, weights)
