"""How the body stands, and how the head turns on its neck."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.animals.head import NECK_FROM, Head, along_neck
from models.renderer.mesh.geometry import Array, Points, rotated, smoothstep


@dataclass(frozen=True, kw_only=True)
class AnimalPose:
    """Angles in radians: yaw to the animal's left, pitch downwards, roll to its right shoulder."""

    body_yaw_rad: float
    head_yaw_rad: float
    head_pitch_rad: float
    head_roll_rad: float
    gaze_yaw_rad: float
    gaze_pitch_rad: float


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> AnimalPose:
    """The pose named in `labels`: its angles are those to the camera."""
    pose = labels["pose"]
    turn = {"half_left": 1, "half_right": -1}.get(pose, 0)
    nod = {"down": 1, "up": -1}.get(pose, 0)
    yaw = turn * rng.uniform(0.45, 0.85) if turn else rng.normal(0, 0.12)
    share = rng.uniform(0.2, 0.6)
    pitch = nod * rng.uniform(0.2, 0.36) if nod else rng.normal(0, 0.05)
    gaze = rng.normal(0, [0.06, 0.04])
    return AnimalPose(
        body_yaw_rad=float(yaw * share + rng.normal(0, 0.15)),
        head_yaw_rad=float(yaw * (1 - share)),
        head_pitch_rad=float(pitch),
        head_roll_rad=float(rng.normal(0, 0.1)),
        gaze_yaw_rad=float(gaze[0]),
        gaze_pitch_rad=float(gaze[1]),
    )


class PosedAnimal:
    """Turns what was built around the resting head: all of the head, less and less of the neck."""

    def __init__(self, head: Head, pose: AnimalPose) -> None:
        self._head, self._pose = head, pose
        self._pivot = np.array([0.0, NECK_FROM[0] - 0.2, NECK_FROM[1] - 0.2])
        self._turn = np.array([pose.head_pitch_rad, pose.head_yaw_rad, pose.head_roll_rad])

    def __call__(self, points: Points) -> Points:
        """Resting points [..., 3] in their pose."""
        flat = points.reshape(-1, 3)
        share = 1 - smoothstep(0.12, 0.75, along_neck(self._head, flat))
        return rotated(flat, self._pivot, self._turn, share).reshape(points.shape)

    def resting(self, direction: Array) -> Array:
        """A direction [3] as it is to the resting head when the head is turned."""
        return rotated(direction[None], np.zeros(3), -self._turn)[0]
