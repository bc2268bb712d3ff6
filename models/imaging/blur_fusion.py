"""The subject's own colour, estimated from a scene and its alpha by blurring alone: no solver, no
compiler, the same bits in every thread.

Blur-fusion: Forte, "Approximate Fast Foreground Colour Estimation" (ICIP 2021), equations 4 to 7,
two passes.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from models.imaging.pixels import to_u8, to_unit

Float = NDArray[np.float32]
WIDE, NARROW = 0.3, 0.1  # widths of both passes' boxes, as shares of the shorter side
SMALLEST = 1e-5


def estimate_foreground(rgb_u8: NDArray[np.uint8], alpha_unit: Float) -> NDArray[np.uint8]:
    """Straight colour, uint8 [h, w, 3], of a scene uint8 [h, w, 3] and its alpha, float32 [h, w] in
    [0, 1].

    Where alpha is 1 the scene shows the subject alone, and its pixels are returned as they are.
    """
    image = to_unit(rgb_u8)
    alpha = alpha_unit.astype(np.float32)[..., None]
    side = min(rgb_u8.shape[:2])
    foreground, background = image, image
    for share in (WIDE, NARROW):
        width = max(3, round(share * side))
        foreground, background = _pass(image, foreground, background, alpha, width)
    return np.where(alpha >= 1, rgb_u8, to_u8(foreground))


def _pass(
    image: Float, foreground: Float, background: Float, alpha: Float, width: int
) -> tuple[Float, Float]:
    """Means of both layers in a box, each pixel weighted by how much of the layer it shows; then
    the foreground is moved until the composite is the image."""
    shown = _mean(alpha, width)
    mean_foreground = _mean(foreground * alpha, width) / (shown + SMALLEST)
    mean_background = _mean(background * (1 - alpha), width) / (1 - shown + SMALLEST)
    missing = image - alpha * mean_foreground - (1 - alpha) * mean_background
    return np.clip(mean_foreground + alpha * missing, 0, 1), mean_background


def _mean(layer: Float, width: int) -> Float:
    mean: Float = uniform_filter(layer, size=(width, width, 1), mode="nearest")
    return mean
