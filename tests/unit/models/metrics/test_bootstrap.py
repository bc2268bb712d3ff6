"""The interval of a mean: as wide as theory says, and as wide as its weakest axis."""

import numpy as np
import pytest

from models.metrics.bootstrap import mean_interval


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    mean, low, high = mean_interval(values, seed=1, resamples=4000)
    margin = 1.96 * values.std() / 20
    assert mean == values.mean()
    assert (low, high) == pytest.approx((mean - margin, mean + margin), abs=0.02)


def test_equal_values_have_no_interval() -> None:
    assert mean_interval(np.full(5, 0.25), seed=0, resamples=600) == (0.25, 0.25, 0.25)


def test_equal_seeds_give_equal_intervals() -> None:
    values = np.random.default_rng(0).random(30)
    first = mean_interval(values, seed=7, resamples=1200)
    assert first == mean_interval(values, seed=7, resamples=1200)
    assert first != mean_interval(values, seed=8, resamples=1200)


def test_runs_that_differ_widen_the_interval_of_many_pairs() -> None:
    """Two seeds far apart: a thousand pairs alone would give a much smaller interval."""
    runs = np.array([[0.0], [1.0]]) + np.random.default_rng(0).normal(0, 0.01, (2, 1000))
    _, low, high = mean_interval(runs, seed=0, resamples=1000)
    assert (low, high) == pytest.approx((0, 1), abs=0.01)
    _, low, high = mean_interval(runs.mean(axis=0), seed=0, resamples=1000)
    assert high - low < 0.01


def test_a_higher_level_is_wider() -> None:
    values = np.random.default_rng(0).random(50)
    narrow, wide = (mean_interval(values, seed=0, resamples=2000, level=x) for x in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(200):
        interval = mean_interval(rng.normal(0.5, 0.2, 40), seed=trial, resamples=1000)
        covered += interval.low <= 0.5 <= interval.high
    assert 0.88 <= covered / 200 <= 0.99
