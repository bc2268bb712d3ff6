"""How head, eyes and arms are held."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.mesh.geometry import Array, Points, rotated, unit
from models.renderer.person.hand import Hand, raise_hand
from models.renderer.person.makehuman import base_mesh

EYE_LIMIT_RAD = 0.45
SHRUG_RAD = 0.12
"""How far the collarbones are raised: MakeHuman's hang low once the arms do."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Angles in radians. Positive yaw turns to the picture's right, positive pitch down."""

    body_yaw_rad: float
    head_yaw_rad: float  # beyond the body's
    head_pitch_rad: float
    head_roll_rad: float
    gaze_yaw_rad: float  # off the camera
    gaze_pitch_rad: float
    arms_down_rad: tuple[float, float]


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Pose:
    """The pose named in `labels`."""
    pose = labels["pose"]
    turn = {"half_left": -1, "half_right": 1}.get(pose, 0)
    nod = {"down": 1, "up": -1}.get(pose, 0)
    yaw = turn * rng.uniform(0.4, 0.8) if turn else rng.normal(0, 0.12)
    share = rng.uniform(0.2, 0.7)
    pitch = nod * rng.uniform(0.2, 0.38) if nod else rng.normal(0, 0.05)
    away = rng.random() < 0.3
    gaze = rng.normal(0, [0.25, 0.1]) if away else rng.normal(0, 0.02, 2)
    return Pose(
        body_yaw_rad=float(yaw * share + rng.normal(0, 0.12)),
        head_yaw_rad=float(yaw * (1 - share)),
        head_pitch_rad=float(pitch),
        head_roll_rad=float(rng.normal(0, 0.06)),
        gaze_yaw_rad=float(gaze[0]),
        gaze_pitch_rad=float(gaze[1]),
        arms_down_rad=(float(rng.uniform(0.5, 0.68)), float(rng.uniform(0.5, 0.68))),
    )


class Posed:
    """A mesh in its pose, and how to bring what is worn on the head with it."""

    def __init__(self, points: Points, pose: Pose, hand: Hand) -> None:
        mesh = base_mesh()
        self.unposed, self._pose = points, pose
        self._pivot = mesh.joint(points, "neck") * 0.45 + mesh.joint(points, "head") * 0.55
        self._turn = np.array([pose.head_pitch_rad, pose.head_yaw_rad, pose.head_roll_rad])
        moved = points.copy()
        for side, sign, angle in (
            (".L", -1, pose.arms_down_rad[0]),
            (".R", 1, pose.arms_down_rad[1]),
        ):
            chest, shoulder = (
                mesh.joint(points, f"{side[1].lower()}-{name}") for name in ("clavicle", "shoulder")
            )
            shrug = np.array([0, 0, -sign * SHRUG_RAD])
            moved = rotated(moved, chest, shrug, mesh.limb_weight("clavicle", side))
            turn = np.array([0, 0, sign * (angle + SHRUG_RAD)])
            moved = rotated(
                moved,
                rotated(shoulder[None], chest, shrug)[0],
                turn,
                mesh.limb_weight("upperarm", side),
            )
        turned = rotated(moved, self._pivot, self._turn, mesh.head_weight())
        self.points = raise_hand(
            hand, turned, self.with_head(mesh.joint(points, "head")[None])[0], self.head_axes()
        )

    def with_head(self, points: Points) -> Points:
        """Points that were placed on the unposed head, turned with it."""
        return rotated(points, self._pivot, self._turn)

    def head_axes(self) -> Array:
        """Rows: the head's left, up and front, unit vectors."""
        return self.with_head(self._pivot + np.eye(3)) - self._pivot

    def gaze(self, eye: Array, camera: Array) -> Array:
        """Where an eye looks, a unit vector: near the camera, as far as eyes turn."""
        left, up, front = self.head_axes()
        wanted = unit(camera - eye)
        yaw = np.arctan2(wanted @ left, wanted @ front) + self._pose.gaze_yaw_rad
        pitch = np.arcsin(np.clip(wanted @ up, -1, 1)) + self._pose.gaze_pitch_rad
        yaw, pitch = (
            np.clip(yaw, -EYE_LIMIT_RAD, EYE_LIMIT_RAD),
            np.clip(pitch, -EYE_LIMIT_RAD / 2, EYE_LIMIT_RAD / 2),
        )
        return unit(left * np.sin(yaw) + up * np.sin(pitch) + front * np.cos(yaw) * np.cos(pitch))
