"""Foregrounds from scenes: the colour that was composited comes back."""

import numpy as np
import pytest

from models.imaging.blur_fusion import estimate_foreground
from models.scenes.backgrounds import render_background

SIZE = 128


def scene(bits: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(image, alpha, true foreground): a soft disc whose colour changes slowly."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    alpha = np.clip((0.6 - np.hypot(x, y)) * bits + 0.5, 0, 1).astype(np.float32)
    foreground = np.stack([0.8 + 0.1 * x, 0.3 + 0.1 * y, 0.2 + 0 * x], -1)
    background = render_background(np.random.default_rng(3), SIZE)
    image = foreground * alpha[..., None] + background * (1 - alpha[..., None])
    return (
        np.rint(image * 255).astype(np.uint8),
        alpha,
        np.rint(foreground * 255).astype(np.uint8),
    )


@pytest.mark.parametrize("bits", [4.0, 12.0])
def test_the_colour_of_a_soft_edge_is_the_subject_s(bits: float) -> None:
    image, alpha, truth = scene(bits)
    found = estimate_foreground(image, alpha)
    soft = (alpha > 0.05) & (alpha < 0.95)
    error = np.abs(found.astype(float) - truth)[soft].mean()
    naive = np.abs(image.astype(float) - truth)[soft].mean()
    assert error < naive / 3


def test_opaque_pixels_stay_as_they_are() -> None:
    image, alpha, _ = scene(4.0)
    assert np.array_equal(estimate_foreground(image, alpha)[alpha == 1], image[alpha == 1])


def test_a_scene_without_subject_has_a_colour() -> None:
    image, alpha, _ = scene(4.0)
    for constant in (0.0, 1.0):
        found = estimate_foreground(image, np.full_like(alpha, constant))
        assert found.shape == image.shape
        assert found.dtype == np.uint8
