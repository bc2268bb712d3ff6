"""Motion blur: colour and alpha move alike."""

import numpy as np
import pytest
from scipy import ndimage

from models.renderer.render import motion_kernel, moved
from models.renderer.scene.camera import draw_motion
from models.renderer.spec import stream


@pytest.fixture
def disc() -> np.ndarray:
    y, x = np.mgrid[:40, :40]
    return (np.hypot(x - 20, y - 20) < 9).astype(np.float32)


def test_straight_colour_survives_the_move(disc: np.ndarray) -> None:
    rgb = np.array([0.2, 0.5, 0.8], np.float32)
    linear = np.concatenate([rgb * disc[..., None], disc[..., None]], axis=-1)
    colour, alpha = moved(linear, disc, 7.0, 0.6)
    np.testing.assert_allclose(colour[..., 3], alpha, atol=1e-6)
    np.testing.assert_allclose(colour[..., :3], rgb * alpha[..., None], atol=1e-6)
    assert ((alpha > 0.05) & (alpha < 0.95)).sum() > 60
    np.testing.assert_allclose(alpha.sum(), disc.sum(), rtol=1e-5)


@pytest.mark.parametrize(("angle", "axis"), [(0.0, 1), (np.pi / 2, 0)])
def test_the_blur_lies_along_the_move(disc: np.ndarray, angle: float, axis: int) -> None:
    _, alpha = moved(np.zeros((40, 40, 4), np.float32), disc, 6.0, angle)
    widened, kept = (
        np.ptp(np.nonzero(alpha > 0.01)[a]) - np.ptp(np.nonzero(disc)[a]) for a in (axis, 1 - axis)
    )
    assert (widened, kept) == (6, 0)


def test_a_kernel_is_centred_and_rises_to_the_right() -> None:
    kernel = motion_kernel(9.0, np.pi / 4)
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(
        ndimage.center_of_mass(kernel), (kernel.shape[0] // 2,) * 2, atol=1e-4
    )
    assert kernel[0, -1] + kernel[1, -2] > 0
    assert kernel[0, 0] == kernel[-1, -1] == 0


def test_a_short_move_changes_nothing(disc: np.ndarray) -> None:
    linear = np.ones((40, 40, 4), np.float32)
    assert moved(linear, disc, 0.4, 1.0) == (linear, disc)


def test_most_people_stand_still() -> None:
    drawn = [draw_motion(stream(seed, "motion"), {}) for seed in range(800)]
    moving = [motion for motion in drawn if motion.length_px]
    assert 60 < len(moving) < 140
    assert all(2 <= motion.length_px <= 10 for motion in moving)
