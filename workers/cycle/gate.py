"""Is the candidate better than the champion? Pure functions of what was measured of both on the
same pictures."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from matteforge.schemas.gate import (
    DistanceFigures,
    GateDecision,
    GeneratorDecision,
    Interval,
    SliceFigures,
)
from models.metrics.bootstrap import LEVEL, mean_interval

RESAMPLES = 10_000


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

    def interval(values: NDArray[np.float64]) -> Interval:
        found = mean_interval(values, seed=seed, level=level, resamples=resamples)
        return Interval(**found._asdict())

    difference = interval(new - old)
    names = sorted({name for key in keys for name in slices.get(key, ())})
    figures = {}
    for name in names:
        inside = np.array([name in slices.get(key, ()) for key in keys])
        change = interval((new - old)[inside])
        figures[name] = SliceFigures(
            pairs=int(inside.sum()),
            champion=float(old[inside].mean()),
            candidate=float(new[inside].mean()),
            difference=change,
            worse=change.value > margin,
        )
    worse = [name for name, slice_ in figures.items() if slice_.worse]
    reason = _reason(difference, worse, metric, margin)
    if len(keys) < fewest:
        reason = f"{len(keys)} pairs are too few; {fewest} are needed"
    return GateDecision(
        passed=difference.high < 0 and not worse and len(keys) >= fewest, reason=reason,
        metric=metric, pairs=len(keys), champion=interval(old), candidate=interval(new),
        difference=difference, slices=figures, margin=margin, level=level, resamples=resamples,
        seed=seed,
    )  # fmt: skip


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


def _reason(difference: Interval, worse: list[str], metric: str, margin: float) -> str:
    change = f"{metric} {_told(difference, 5)}"
    if worse:
        return f"worse by more than {margin:g} in {', '.join(worse)}; over all pairs {change}"
    if difference.high >= 0:
        return f"not better beyond the interval: {change}"
    return f"better beyond the interval: {change}"


def _told(change: Interval, digits: int) -> str:
    return f"{change.value:+.{digits}f} [{change.low:+.{digits}f}, {change.high:+.{digits}f}]"
