"""The subject's own colour where only a scene and its alpha are known."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from models.imaging.pixels import U8, to_u8


def straight_foreground(rgb: U8, alpha: U8) -> U8:
    """Straight RGBA, uint8 [h, w, 4], of a scene uint8 [h, w, 3] and its alpha uint8 [h, w].

    Multi-level foreground estimation (Germer et al., arXiv 2006.14970) by `pymatting`. A scene's
    own colour at soft edges holds the old background; composited over another one it would be a
    halo, which a network learns.
    """
    colour = _estimator()(rgb / 255.0, alpha / 255.0)
    estimated = to_u8(colour)
    opaque = (
        alpha[..., None] == 255
    )  # there the scene shows the subject alone; the estimate is smoothed
    return np.concatenate([np.where(opaque, rgb, estimated), alpha[..., None]], axis=-1)


@cache
def _estimator() -> Callable[..., NDArray[np.float64]]:
    """pymatting starts numba's OpenMP threads, and so changes torch's number of threads: put it
    back."""
    threads = torch.get_num_threads()
    from pymatting import estimate_foreground_ml

    torch.set_num_threads(threads)
    estimator: Callable[..., NDArray[np.float64]] = estimate_foreground_ml
    return estimator
