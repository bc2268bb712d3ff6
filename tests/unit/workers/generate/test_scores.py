import numpy as np
import pytest

from matteforge.schemas.criteria import BY_NAME, first_failure
from models.metrics.matting import grad
from workers.generate.calibration import calibrate_thresholds
from workers.generate.scores import connectedness, score_agreement, score_subjects


def square(size: int, at: tuple[int, int] = (2, 2)) -> np.ndarray:
    alpha = np.zeros((16, 16), np.float32)
    alpha[at[0] : at[0] + size, at[1] : at[1] + size] = 1
    return alpha


def test_coverage_is_the_mean_alpha() -> None:
    (scores,) = score_subjects(square(8)[None] * np.float32(0.5))
    assert scores["coverage"] == 32 / 256


def test_connectedness_is_the_share_of_the_largest_part() -> None:
    assert connectedness(square(4)) == 1
    assert connectedness(square(4) + square(2, (10, 10))) == 16 / 20
    assert connectedness(np.full((4, 4), 0.5, np.float32)) == 0, "no pixel above 0.5 is no subject"


def test_parts_that_touch_at_a_corner_are_one() -> None:
    assert connectedness(np.eye(5, dtype=np.float32)) == 1


def test_agreement_of_a_shifted_square() -> None:
    first, second = square(4), square(4, (2, 3))
    (scores,) = score_agreement(first[None], second[None])
    assert scores["mad"] == 8 / 256
    assert scores["iou"] == 12 / 20
    assert scores["grad"] == pytest.approx(float(grad(first[None], second[None])[0]) / 0.256)


def test_every_score_is_zero_or_one_for_a_perfect_pair() -> None:
    assert score_agreement(square(5)[None], square(5)[None]) == [{"mad": 0, "iou": 1, "grad": 0}]


def test_grad_does_not_grow_with_the_picture() -> None:
    small, large = np.zeros((1, 16, 16), np.float32), np.zeros((1, 16, 64), np.float32)
    small[..., 4:12, 4:12] = 1
    large[..., 4:12, :] = np.tile(small[0, 4:12], (1, 4))
    (one,), (four,) = score_agreement(small, small * 0), score_agreement(large, large * 0)
    assert four["grad"] == pytest.approx(one["grad"], rel=1e-5)


def test_calibrated_thresholds_pass_99_percent_of_each_score() -> None:
    rng = np.random.default_rng(0)
    names = ("coverage", "connectedness", "mad", "iou", "grad")
    scores = [dict(zip(names, rng.uniform(0, 1, 5), strict=True)) for _ in range(1000)]
    thresholds = calibrate_thresholds(scores)
    assert thresholds.keys() == BY_NAME.keys()
    for name, threshold in thresholds.items():
        passing = sum(BY_NAME[name].passes(score, threshold) for score in scores)
        assert 989 <= passing <= 991
    assert 940 <= sum(first_failure(score, thresholds) is None for score in scores) <= 965


def test_calibration_needs_pairs() -> None:
    with pytest.raises(ValueError, match="without pairs"):
        calibrate_thresholds([])
