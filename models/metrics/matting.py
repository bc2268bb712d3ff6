"""How far a predicted alpha is from the true one: the measures of matting papers, in P3M's
convention.

Alphas are float [n, h, w] in [0, 1]; each measure is float64 [n], one value per image. Grad and
Conn: Rhemann et al., CVPR 2009. SAD, Grad and Conn are sums over the picture in the papers' units;
MAD and MSE are means.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Alphas = NDArray[np.floating]
Values = NDArray[np.float64]

GRAD_SIGMA = 1.4
CONN_STEP = 0.1
CONN_THETA = 0.15


def mad(predicted: Alphas, true: Alphas, where: NDArray[np.bool_] | None = None) -> Values:
    """Mean absolute difference; `where` limits it to some pixels, 0 for an image with none."""
    return _mean(np.abs(_difference(predicted, true)), where)


def mse(predicted: Alphas, true: Alphas, where: NDArray[np.bool_] | None = None) -> Values:
    """Mean squared difference."""
    return _mean(_difference(predicted, true) ** 2, where)


def sad(predicted: Alphas, true: Alphas, where: NDArray[np.bool_] | None = None) -> Values:
    """Sum of absolute differences / 1000."""
    return _sum(np.abs(_difference(predicted, true)), where) / 1000


def iou(predicted: Alphas, true: Alphas, threshold: float = 0.5) -> Values:
    """Intersection over union of the pixels above `threshold`; 1 where both are empty."""
    first, second = predicted > threshold, true > threshold
    intersection, union = _sum(first & second), _sum(first | second)
    return np.where(union > 0, intersection / np.maximum(union, 1), 1.0)


def grad(predicted: Alphas, true: Alphas, where: NDArray[np.bool_] | None = None) -> Values:
    """Sum of squared differences of the Gaussian gradient magnitudes (sigma 1.4) / 10."""
    return _sum((gradient_magnitude(predicted) - gradient_magnitude(true)) ** 2, where) / 10


def conn(predicted: Alphas, true: Alphas, where: NDArray[np.bool_] | None = None) -> Values:
    """Sum of differences in connectedness to the region both hold opaque / 1000.

    A pixel's level is the highest threshold, in steps of 0.1, at which it still belongs to the
    largest 4-connected region of the pixels above it in both alphas; alpha less than 0.15 above its
    level counts as connected.
    """
    error = np.stack([_connectivity_error(p, t) for p, t in zip(predicted, true, strict=True)])
    return _sum(error, where) / 1000


def unknown_band(alpha: Alphas, radius: int) -> NDArray[np.bool_]:
    """A trimap's unknown pixels: those with a half-transparent pixel or an edge within `radius`;
    bool [n, h, w]."""
    size = (1, 2 * radius + 1, 2 * radius + 1)
    solid = ndimage.minimum_filter((alpha >= 1 - 1 / 255).view(np.uint8), size, mode="nearest") > 0
    empty = ndimage.minimum_filter((alpha <= 1 / 255).view(np.uint8), size, mode="nearest") > 0
    return ~(solid | empty)


def matting_metrics(predicted: Alphas, true: Alphas) -> dict[str, Values]:
    """The measures that are cheap for a batch of candidates: `mad`, `mse`, `iou`, `sad`, `grad`."""
    return {f.__name__: f(predicted, true) for f in (mad, mse, iou, sad, grad)}


def full_metrics(predicted: Alphas, true: Alphas) -> dict[str, Values]:
    """All measures, over the picture and (`*_unknown`) over the unknown band, 1/32 of the longer
    side around edges."""
    band = unknown_band(true, max(2, max(true.shape[1:]) // 32))
    parts = {f"{f.__name__}_unknown": f(predicted, true, band) for f in (mad, mse, sad, grad, conn)}
    return matting_metrics(predicted, true) | {"conn": conn(predicted, true)} | parts


def gradient_magnitude(alpha: Alphas) -> NDArray[np.float32]:
    """Magnitude of the Gaussian derivative by 9-tap kernels of unit L2 norm, per pixel: float32 [n,
    h, w]."""
    offsets = np.arange(-4, 5)
    gauss = np.exp(-(offsets**2) / (2 * GRAD_SIGMA**2))
    smooth, slope = (kernel / np.linalg.norm(kernel) for kernel in (gauss, offsets * gauss))
    alpha = np.asarray(alpha, np.float32)

    def derivative(along: int, across: int) -> NDArray[np.float32]:
        smoothed = ndimage.correlate1d(alpha, smooth, axis=across, mode="nearest")
        return ndimage.correlate1d(smoothed, slope, axis=along, mode="nearest")

    return np.hypot(derivative(2, 1), derivative(1, 2))


def _connectivity_error(predicted: Alphas, true: Alphas) -> Values:
    thresholds = np.arange(0, 1 + CONN_STEP, CONN_STEP)
    level = np.full(true.shape, -1.0)
    for before, threshold in pairwise(thresholds):
        regions, count = ndimage.label((predicted >= threshold) & (true >= threshold))
        largest = (
            regions == np.argmax(np.bincount(regions.ravel())[1:]) + 1
            if count
            else np.zeros(true.shape, bool)
        )
        level[(level == -1) & ~largest] = before
    level[level == -1] = 1

    def connectedness(alpha: Alphas) -> Values:
        above = alpha - level
        return 1 - above * (above >= CONN_THETA)

    return np.abs(connectedness(predicted) - connectedness(true))


def _difference(predicted: Alphas, true: Alphas) -> Values:
    if predicted.shape != true.shape or predicted.ndim != 3:
        raise ValueError(f"alphas must both be [n, h, w], not {predicted.shape} and {true.shape}")
    return np.subtract(predicted, true, dtype=np.float64)


def _sum(values: NDArray[np.generic], where: NDArray[np.bool_] | None = None) -> Values:
    return np.sum(values, axis=(1, 2), dtype=np.float64, where=True if where is None else where)


def _mean(values: Values, where: NDArray[np.bool_] | None) -> Values:
    pixels = values[0].size if where is None else np.maximum(_sum(where), 1)
    return _sum(values, where) / pixels
