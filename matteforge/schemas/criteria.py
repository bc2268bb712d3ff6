"""The filter: what a candidate is measured by, and which threshold rejects it. Pure functions, no
arrays."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Scores = Mapping[str, float]
Thresholds = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One way to reject a candidate: `score` must be at most / at least the threshold of this
    name."""

    name: str
    score: str  # the measured quantity it looks at
    bound: Literal["max", "min"]
    low: float  # smallest threshold that makes sense
    high: float  # largest threshold that makes sense
    meaning: str

    def passes(self, scores: Scores, threshold: float) -> bool:
        """True when the score is on the right side of `threshold`; a NaN score never passes."""
        value = scores[self.score]
        return value <= threshold if self.bound == "max" else value >= threshold


# In the order in which a rejection is attributed: checks of the generator's alpha, then agreement
# with StyleMatte.
CRITERIA: tuple[Criterion, ...] = (
    Criterion(name="coverage_min", score="coverage", bound="min", low=0, high=1,
              meaning="mean alpha"),
    Criterion(name="coverage_max", score="coverage", bound="max", low=0, high=1,
              meaning="mean alpha"),
    Criterion(name="connectedness", score="connectedness", bound="min", low=0, high=1,
              meaning="share of the subject (alpha > 0.5) in its largest 8-connected part"),
    Criterion(name="mad", score="mad", bound="max", low=0, high=1,
              meaning="mean absolute difference between the generator's alpha and StyleMatte's"),
    Criterion(name="iou", score="iou", bound="min", low=0, high=1,
              meaning="intersection over union of both alphas at 0.5"),
    Criterion(name="grad", score="grad", bound="max", low=0, high=1000,
              meaning="gradient error between both alphas per thousand pixels (P3M's Grad: "
              "Gaussian derivatives, sigma 1.4)"),
)  # fmt: skip
BY_NAME = {c.name: c for c in CRITERIA}
CHEAP = ("coverage_min", "coverage_max", "connectedness")  # need the generator's alpha only


def check_thresholds(thresholds: Thresholds) -> dict[str, float]:
    """The same thresholds, validated. Raises ValueError that names the criterion and its range."""
    for name, value in thresholds.items():
        if name not in BY_NAME:
            raise ValueError(f"unknown criterion {name!r} in filter; known: {', '.join(BY_NAME)}")
        criterion = BY_NAME[name]
        if not math.isfinite(value) or not criterion.low <= value <= criterion.high:
            raise ValueError(
                f"filter.{name} must be {criterion.low:g} to {criterion.high:g} "
                f"({criterion.meaning}), not {value}"
            )
    return dict(thresholds)


def first_failure(
    scores: Scores, thresholds: Thresholds, names: tuple[str, ...] | None = None
) -> str | None:
    """Name of the first criterion that `scores` fails, None when all pass. `names` limits it to
    some criteria."""
    for criterion in CRITERIA:
        if names is not None and criterion.name not in names:
            continue
        if criterion.name in thresholds and not criterion.passes(
            scores, thresholds[criterion.name]
        ):
            return criterion.name
    return None
