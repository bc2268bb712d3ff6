"""matteforge.schemas.criteria: which threshold rejects a candidate."""

import math

import pytest

from matteforge.schemas.criteria import BY_NAME, CHEAP, CRITERIA, check_thresholds, first_failure

GOOD = {"coverage": 0.4, "connectedness": 1.0, "mad": 0.01, "iou": 0.98, "grad": 2.0}
THRESHOLDS = {
    "coverage_min": 0.1,
    "coverage_max": 0.8,
    "connectedness": 0.95,
    "mad": 0.05,
    "iou": 0.9,
    "grad": 5.0,
}


def test_a_good_candidate_passes():
    assert first_failure(GOOD, THRESHOLDS) is None


@pytest.mark.parametrize(
    ("score", "value", "criterion"),
    [
        ("coverage", 0.05, "coverage_min"),
        ("coverage", 0.9, "coverage_max"),
        ("connectedness", 0.5, "connectedness"),
        ("mad", 0.2, "mad"),
        ("iou", 0.5, "iou"),
        ("grad", 50.0, "grad"),
    ],
)
def test_each_criterion_rejects_on_its_own_side(score, value, criterion):
    assert first_failure({**GOOD, score: value}, THRESHOLDS) == criterion


@pytest.mark.parametrize("score", sorted(GOOD))
def test_nan_never_passes(score):
    assert first_failure({**GOOD, score: math.nan}, THRESHOLDS) is not None


def test_thresholds_are_inclusive():
    for criterion in CRITERIA:
        assert criterion.passes(
            {criterion.score: THRESHOLDS[criterion.name]}, THRESHOLDS[criterion.name]
        )


def test_cheap_checks_need_no_prediction():
    alpha_only = {"coverage": 0.4, "connectedness": 1.0}
    assert first_failure(alpha_only, THRESHOLDS, CHEAP) is None


def test_a_criterion_without_threshold_does_not_reject():
    assert first_failure({**GOOD, "mad": 1.0}, {"iou": 0.9}) is None


def test_unknown_and_absurd_thresholds_are_named():
    with pytest.raises(ValueError, match=r"beauty.*known: coverage_min"):
        check_thresholds({"beauty": 1.0})
    for name in BY_NAME:
        with pytest.raises(ValueError, match=name):
            check_thresholds({name: math.nan})
        with pytest.raises(ValueError, match=name):
            check_thresholds({name: -1.0})
