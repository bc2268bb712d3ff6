"""Is the candidate better than the champion? Pure functions of what was measured of both on the
same pictures."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from matteforge.schemas.training import (
    DistanceFigures,
    GateDecision,
    GeneratorDecision,
    Interval,
    SliceFigures,
)

LEVEL = 0.95
RESAMPLES = 10_000
CHUNK = 500
Scores = NDArray[np.float64]


def decide(
    champion: Mapping[str, float],
    candidate: Mapping[str, float],
    slices: Mapping[str, Sequence[str]],
    *,
    metric: str,
    margin: float,
    fewest: int,
    seed: int,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> GateDecision:
    """Scores by pair, smaller is better; slices: the slices that each pair belongs to.

    Passed: the whole interval of the mean paired difference lies below 0 (percentile bootstrap over
    pairs, Efron 1979), in no slice is the mean worse by more than `margin`, and there are at least
    `fewest` pairs. Raises ValueError when the pairs differ or there are none.
    """
    if champion.keys() != candidate.keys() or not champion:
        raise ValueError("champion and candidate must be scored on the same pairs, at least one")
    keys = sorted(champion)
    old, new = (np.array([scores[key] for key in keys]) for scores in (champion, candidate))
    difference = mean_interval(new - old, seed=seed, level=level, resamples=resamples)
    names = sorted({name for key in keys for name in slices.get(key, ())})
    figures = {}
    for name in names:
        inside = np.array([name in slices.get(key, ()) for key in keys])
        change = mean_interval((new - old)[inside], seed=seed, level=level, resamples=resamples)
        figures[name] = SliceFigures(
            pairs=int(inside.sum()),
            champion=float(old[inside].mean()),
            candidate=float(new[inside].mean()),
            difference=change,
            worse=change.value > margin,
        )
    worse = [name for name, slice_ in figures.items() if slice_.worse]
    return GateDecision(
        passed=difference.high < 0 and not worse and len(keys) >= fewest,
        reason=f"{len(keys)} pairs are too few; {fewest} are needed"
        if len(keys) < fewest
        else _reason(difference, worse, metric, margin),
        metric=metric,
        pairs=len(keys),
        champion=mean_interval(old, seed=seed, level=level, resamples=resamples),
        candidate=mean_interval(new, seed=seed, level=level, resamples=resamples),
        difference=difference,
        slices=figures,
        margin=margin,
        level=level,
        resamples=resamples,
        seed=seed,
    )


def decide_generator(views: Mapping[str, DistanceFigures], images: int) -> GeneratorDecision:
    """Passed: nearer to the corpus beyond the interval in one view at least, and further beyond it
    in none."""
    nearer = [name for name, view in views.items() if view.difference.high < 0]
    further = [name for name, view in views.items() if view.difference.low > 0]
    changes = "; ".join(f"{name} {_told(view.difference, 3)}" for name, view in views.items())
    if further:
        reason = f"further from the corpus beyond the interval in {', '.join(further)}: {changes}"
    elif nearer:
        reason = f"nearer to the corpus beyond the interval in {', '.join(nearer)}: {changes}"
    else:
        reason = f"not nearer to the corpus beyond the interval: {changes}"
    return GeneratorDecision(
        passed=bool(nearer) and not further, reason=reason, images=images, views=dict(views)
    )


def mean_interval(
    values: Scores, *, seed: int, level: float = LEVEL, resamples: int = RESAMPLES
) -> Interval:
    """The mean of [n] values and its percentile bootstrap interval."""
    rng = np.random.default_rng(seed)
    means = [
        values[rng.integers(len(values), size=(min(CHUNK, resamples - start), len(values)))].mean(
            axis=1
        )
        for start in range(0, resamples, CHUNK)
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return Interval(value=float(values.mean()), low=float(low), high=float(high))


def _reason(difference: Interval, worse: list[str], metric: str, margin: float) -> str:
    change = f"{metric} {_told(difference, 5)}"
    if worse:
        return f"worse by more than {margin:g} in {', '.join(worse)}; over all pairs {change}"
    if difference.high >= 0:
        return f"not better beyond the interval: {change}"
    return f"better beyond the interval: {change}"


def _told(change: Interval, digits: int) -> str:
    return f"{change.value:+.{digits}f} [{change.low:+.{digits}f}, {change.high:+.{digits}f}]"
