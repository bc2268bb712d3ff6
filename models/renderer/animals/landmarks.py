"""Points of an animal's head that other tools know by name, those of people where both have
them."""

import numpy as np

from models.renderer.animals.ears import Ear
from models.renderer.animals.eyes import Eye
from models.renderer.animals.head import Head
from models.renderer.mesh.geometry import Points


def animal_landmarks(
    head: Head, eyes: tuple[Eye, Eye], ears: tuple[Ear, Ear], nose: Points, corners: Points
) -> dict[str, Points]:
    """Where each landmark is around the resting head, dm: [3] each; left and right are the
    animal's."""
    found = {
        "nose_tip": nose,
        "chin": np.array(
            [0.0, head.muzzle_y - head.chin_y - head.chin_size, head.muzzle_z - head.chin_z]
        ),
        "forehead": np.array([0.0, head.skull_height * 0.72, head.skull_length * 0.7]),
        "mouth_left": corners[0],
        "mouth_right": corners[1],
    }
    for side, eye, ear in zip(("left", "right"), eyes, ears, strict=True):
        found[f"eye_{side}"] = eye.middle + eye.axes[2] * eye.eyes.radius_dm
        found[f"ear_{side}"] = ear.base
        found[f"ear_tip_{side}"] = ear.tip
    return found
