"""A raised hand: where it comes to lie, and that nothing else moves."""

import numpy as np
import pytest

from models.renderer.person.hand import PLACES, WRIST_LIMIT_RAD, Hand, raise_hand
from models.renderer.person.makehuman import base_mesh

pytestmark = pytest.mark.portraits  # needs MakeHuman's shapes
UPRIGHT = np.eye(3)


@pytest.mark.parametrize("place", PLACES)
def test_knuckles_come_near_the_head_and_bones_keep_their_length(place: str) -> None:
    mesh = base_mesh()
    head = mesh.joint(mesh.points, "head")
    for side, letter in (("left", "l"), ("right", "r")):
        raised = raise_hand(
            Hand(side=side, place=place, away_dm=0.1, lean_rad=0.0), mesh.points, head, UPRIGHT
        )

        def joint(name: str, points: np.ndarray = raised, letter: str = letter) -> np.ndarray:
            return mesh.joint(points, f"{letter}-{name}")

        assert np.linalg.norm(joint("finger-3-1") - head) < 2.2
        assert np.linalg.norm(joint("finger-3-1", mesh.points) - head) > 6
        for bone in (("shoulder", "elbow"), ("elbow", "hand"), ("hand", "finger-3-1")):
            lengths = [
                np.linalg.norm(joint(bone[0], p) - joint(bone[1], p)) for p in (raised, mesh.points)
            ]
            assert lengths[0] == pytest.approx(lengths[1], rel=0.02)
        forearm, fingers = joint("hand") - joint("elbow"), joint("finger-3-1") - joint("hand")
        cosine = forearm @ fingers / np.linalg.norm(forearm) / np.linalg.norm(fingers)
        assert np.arccos(cosine) < WRIST_LIMIT_RAD + 0.02


def test_head_and_other_arm_stay() -> None:
    mesh = base_mesh()
    head = mesh.joint(mesh.points, "head")
    hand = Hand(side="left", place="jaw", away_dm=0.1, lean_rad=0.2)
    raised = raise_hand(hand, mesh.points, head, UPRIGHT)
    others = mesh.is_body & ((mesh.head_weight() == 1) | (mesh.points[:, 0] < -0.5))
    np.testing.assert_allclose(raised[others], mesh.points[others], rtol=0, atol=1e-9)
    mirrored = raise_hand(
        Hand(side="right", place="jaw", away_dm=0.1, lean_rad=-0.2), mesh.points, head, UPRIGHT
    )
    left, right = (mesh.joint(p, f"{s}-hand") for p, s in ((raised, "l"), (mirrored, "r")))
    np.testing.assert_allclose(left, right * [-1, 1, 1], atol=0.05)


def test_without_a_side_both_hang() -> None:
    points = base_mesh().points
    assert (
        raise_hand(Hand(side="", place="jaw", away_dm=0, lean_rad=0), points, points[0], UPRIGHT)
        is points
    )
