"""Straight colour from what Cycles saw."""

import numpy as np
from scipy import ndimage

from models.renderer.render import straight


def test_noise_in_what_few_paths_saw_leaves_no_speckles() -> None:
    """A grey disc with a soft edge: premultiplied colour is denoised, its alpha is that of two
    paths a pixel."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:64, 0:64] - 31.5
    alpha = np.clip((22 - np.hypot(x, y)) / 6, 0, 1).astype(np.float32)
    seen = (rng.random((2, 64, 64)) < alpha).mean(axis=0)
    linear = np.dstack([0.4 * alpha] * 3 + [seen]).astype(np.float32)
    colour = straight(linear, alpha)
    inside = ndimage.grey_erosion(alpha, 5) == 1
    np.testing.assert_allclose(colour[inside], 0.4, rtol=1e-6)
    error = np.abs(colour[..., 0] - 0.4) * alpha  # what of it reaches a picture
    assert error.max() < 0.15
    assert np.sqrt((error[(alpha > 0) & (alpha < 1)] ** 2).mean()) < 0.04
