"""Patterns of coats."""

import numpy as np
import pytest

from models.renderer.animals import coat
from models.renderer.animals.head import along_muzzle, along_neck
from models.renderer.animals.patterns import PATTERNS, Place
from models.renderer.animals.subject import ANIMAL

FOX = ANIMAL.draw(4, {"kind": "fox", "pattern": "natural", "colour": "natural"})


def heads_points() -> np.ndarray:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (4000, 3)) * [1.0, 1.6, 1.6]
    return points - [0, 0.4, 0]


@pytest.mark.parametrize("name", PATTERNS)
def test_shares_are_finite_and_in_range(name: str) -> None:
    shares = PATTERNS[name](Place(FOX.head, heads_points(), 1.0, 3))
    for share in (shares.second, shares.light):
        assert share.shape == (4000,)
        assert (share >= -1e-9).all()
        assert (share <= 1.001).all()
    if name != "solid":
        assert max(np.ptp(shares.second), np.ptp(shares.light)) > 0.5


def test_a_fox_is_white_below_and_red_above() -> None:
    throat, brow = np.array([[0.0, -1.3, 0.2]]), np.array([[0.3, 0.5, 0.5]])
    light, red = (coat.coat_rgb(FOX.coat, FOX.head, at)[0] for at in (throat, brow))
    assert light.min() > 0.3
    assert red[0] > 3 * red[2]


def test_the_muzzle_is_no_part_of_the_chest() -> None:
    nose = np.array([[0.0, FOX.head.muzzle_y, FOX.head.muzzle_z]])
    chest = np.array([[0.0, FOX.head.neck_y, FOX.head.neck_z + 1.0]])
    assert along_muzzle(FOX.head, nose)[0] > 0.95
    assert along_muzzle(FOX.head, chest)[0] == 0
    assert along_neck(FOX.head, nose)[0] < 0.2 < 0.6 < along_neck(FOX.head, chest)[0]
