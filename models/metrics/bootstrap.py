"""The percentile bootstrap (Efron 1979): how far a mean may be off, from samples drawn anew."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
CHUNK = 500  # drawn at a time, for the memory's sake


class MeanInterval(NamedTuple):
    """A mean and the ends of its interval."""

    value: float
    low: float
    high: float


def mean_interval(
    values: NDArray[np.floating], *, seed: int, resamples: int, level: float = LEVEL
) -> MeanInterval:
    """The mean of [n] values, or of [seeds, n]: then both seeds and samples are drawn anew."""
    rng = np.random.default_rng(seed)
    means = [
        _drawn_means(values, min(CHUNK, resamples - start), rng)
        for start in range(0, resamples, CHUNK)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return MeanInterval(float(values.mean()), float(low), float(high))


def _drawn_means(
    values: NDArray[np.floating], count: int, rng: np.random.Generator
) -> NDArray[np.floating]:
    """[count] means of as many values as there are, drawn with replacement along each axis."""
    drawn = [rng.integers(length, size=(count, length)) for length in values.shape]
    if values.ndim == 1:
        return values[drawn[0]].mean(axis=1)
    return values[drawn[0][:, :, None], drawn[1][:, None, :]].mean(axis=(1, 2))
