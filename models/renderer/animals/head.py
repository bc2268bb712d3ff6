"""The head, neck and chest as one soft body: skull, muzzle, jaw, cheeks, brow.

Every animal is drawn at one size: its skull's middle is the origin and its skull about a decimetre
in radius. x to its left, y up, z to the front.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.animals import kinds
from models.renderer.mesh.geometry import Array, Points, smoothstep
from models.renderer.mesh.implicit import ellipsoid, limb, united


@dataclass(frozen=True, kw_only=True)
class Head:
    """Lengths in decimetres; widths and heights are halves."""

    skull_width: float
    skull_height: float
    skull_length: float
    muzzle_root_y: float
    muzzle_root_z: float
    muzzle_root_width: float
    muzzle_root_height: float
    muzzle_y: float  # height of the muzzle's end
    muzzle_z: float
    muzzle_width: float
    muzzle_height: float
    pad_size: float  # radius of the cushions beside the nose
    pad_spread: float
    chin_y: float  # below the muzzle's end
    chin_z: float  # behind the muzzle's end
    chin_size: float
    cheek_x: float
    cheek_y: float
    cheek_z: float
    cheek_size: float
    brow_size: float
    neck_width: float
    neck_height: float
    neck_y: float  # where the neck meets the chest
    neck_z: float
    chest_width: float


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Head:
    """A head of the kind in `labels`."""
    return kinds.drawn(Head, rng, labels["kind"], "head")


NECK_FROM = (-0.25, -0.25)


def skull(head: Head, points: Points) -> Array:
    """Distance to the head without eyes, [n, 3] to [n]; left and right are alike."""
    p = np.concatenate([np.abs(points[:, :1]), points[:, 1:]], axis=1)
    size = np.array([head.skull_width, head.skull_height, head.skull_length])
    found = ellipsoid(p, np.zeros(3), size)
    found = united(found, _muzzle(head, p), 0.32)
    cheek = ellipsoid(
        p, np.array([head.cheek_x, head.cheek_y, head.cheek_z]), np.full(3, head.cheek_size)
    )
    found = united(found, cheek, 0.3)
    brow = size * np.array([0.36, 0.34, 0.87]) * 0.9
    found = united(found, ellipsoid(p, brow, np.full(3, head.brow_size)), 0.2)
    return united(found, _body(head, p), 0.5)


def _muzzle(head: Head, p: Points) -> Array:
    root, tip = (head.muzzle_root_y, head.muzzle_root_z), (head.muzzle_y, head.muzzle_z)
    found = limb(
        p, root, tip,
        (head.muzzle_root_width, head.muzzle_root_height), (head.muzzle_width, head.muzzle_height),
    )  # fmt: skip
    chin_y, chin_z = head.muzzle_y - head.chin_y, head.muzzle_z - head.chin_z
    jaw = limb(
        p, (head.muzzle_root_y - 0.2, head.muzzle_root_z - 0.3), (chin_y, chin_z),
        (head.muzzle_root_width * 0.75, 0.25), (head.chin_size * 1.15, head.chin_size),
    )  # fmt: skip
    pad = np.array([head.pad_spread, head.muzzle_y - 0.3 * head.pad_size, head.muzzle_z - 0.02])
    pads = ellipsoid(p, pad, head.pad_size * np.array([1.0, 0.85, 0.8]))
    return united(united(found, pads, 0.12), jaw, 0.1)


def _body(head: Head, p: Points) -> Array:
    neck = limb(
        p, NECK_FROM, (head.neck_y, head.neck_z),
        (head.neck_width, head.neck_height), (head.neck_width * 1.25, head.neck_height * 1.3),
    )  # fmt: skip
    low = np.array([0.0, head.neck_y - 1.6, head.neck_z - 0.25])
    chest = ellipsoid(p, low, np.array([head.chest_width, 2.1, head.chest_width * 1.1]))
    return united(neck, chest, 0.9)


def along_muzzle(head: Head, points: Points) -> Array:
    """0 at the muzzle's root, behind it and on the body, 1 at its end, [n]."""
    root = np.array([0.0, head.muzzle_root_y, head.muzzle_root_z])
    way = np.array([0.0, head.muzzle_y, head.muzzle_z]) - root
    share = np.clip((points - root) @ way / (way @ way), 0, 1.2)
    return np.asarray(share * smoothstep(0.36, 0.22, along_neck(head, points)))


def along_neck(head: Head, points: Points) -> Array:
    """0 in the head, 1 where the neck meets the chest, [n]; not clipped."""
    start = np.array([0.0, *NECK_FROM])
    way = np.array([0.0, head.neck_y, head.neck_z]) - start
    return np.asarray((points - start) @ way / (way @ way))


def across_neck(head: Head, points: Points) -> Array:
    """How far up and back from the middle of the neck, in half heights of it, [n]."""
    way = np.array([head.neck_y, head.neck_z]) - NECK_FROM
    back = np.array([-way[1], way[0]]) / np.hypot(*way)
    return np.asarray((points[:, 1:] - NECK_FROM) @ back / head.neck_height)


def height_dm(head: Head) -> float:
    """From the top of the skull to the chin."""
    low = min(head.muzzle_y - head.chin_y - head.chin_size, -head.skull_height)
    return head.skull_height - low
