"""Scores that the filter looks at (matteforge.schemas.criteria): arrays only, no torch."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.metrics.matting import grad, iou, mad

Alphas = NDArray[np.float32]
EIGHT_CONNECTED = np.ones((3, 3), dtype=int)


def score_subjects(alphas: Alphas) -> list[dict[str, float]]:
    """float32 [n, h, w] in [0, 1] -> `coverage` and `connectedness` of each: what the cheap
    criteria need."""
    return [
        {"coverage": float(alpha.mean(dtype=np.float64)), "connectedness": connectedness(alpha)}
        for alpha in alphas
    ]


def score_agreement(alphas: Alphas, predicted: Alphas) -> list[dict[str, float]]:
    """Two float32 [n, h, w] in [0, 1] -> `mad`, `iou` and `grad` (per thousand pixels) of each
    pair."""
    kilopixels = alphas[0].size / 1000
    columns = mad(predicted, alphas), iou(predicted, alphas), grad(predicted, alphas) / kilopixels
    return [
        {"mad": float(m), "iou": float(i), "grad": float(g)}
        for m, i, g in zip(*columns, strict=True)
    ]


def connectedness(alpha: NDArray[np.float32]) -> float:
    """Share of the subject (alpha > 0.5) that lies in its largest 8-connected part; 0 when there is
    no subject."""
    parts, count = ndimage.label(alpha > 0.5, structure=EIGHT_CONNECTED)
    if count == 0:
        return 0.0
    sizes = np.bincount(parts.ravel())[1:]
    return float(sizes.max() / sizes.sum())
