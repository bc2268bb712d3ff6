import pytest
import torch

from models.metrics.frechet import (
    Moments,
    _gram_distance,
    alpha_as_rgb,
    coverage,
    frechet_change,
    frechet_distance,
    frechet_figure,
    moments,
    over_grey,
    share_figure,
)
from models.metrics.memorisation import Signatures, memorisation_report, nearest


def gaussian(mean: float, variance: float, size: int = 3) -> Moments:
    return Moments(
        mean=torch.full((size,), mean, dtype=torch.float64),
        covariance=torch.eye(size, dtype=torch.float64) * variance,
    )


def test_distance_of_two_gaussians_by_hand() -> None:
    """Means 2 apart in three dimensions; deviations 3 and 1: 3 * 2^2 + 3 * (3 - 1)^2."""
    assert frechet_distance(gaussian(0, 9), gaussian(2, 1)) == pytest.approx(24)


def test_distance_agrees_with_the_matrix_root() -> None:
    scipy = pytest.importorskip("scipy.linalg")
    rng = torch.Generator().manual_seed(0)
    first, second = (
        moments(torch.randn(50, 6, generator=rng) @ torch.randn(6, 6, generator=rng))
        for _ in range(2)
    )
    root = torch.from_numpy(scipy.sqrtm((first.covariance @ second.covariance).numpy()).real)
    expected = (first.mean - second.mean).square().sum() + (
        first.covariance + second.covariance - 2 * root
    ).trace()
    assert frechet_distance(first, second) == pytest.approx(float(expected), rel=1e-9)


def test_fewer_images_than_dimensions_stay_finite() -> None:
    features = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(moments(features), moments(features)) == pytest.approx(0, abs=1e-6)


def test_moments_refuse_what_has_none() -> None:
    with pytest.raises(ValueError, match="two finite"):
        moments(torch.zeros(1, 4))
    with pytest.raises(ValueError, match="two finite"):
        moments(torch.full((4, 4), float("nan")))


def test_views_of_rgba() -> None:
    rgba = torch.ones(1, 4, 2, 2)
    rgba[:, 3] = torch.tensor([[1.0, -1.0], [0.0, 1.0]])
    assert over_grey(rgba)[0, 0].tolist() == [[1.0, 0.0], [0.5, 1.0]]
    assert alpha_as_rgb(rgba)[0, 2].tolist() == [[1.0, -1.0], [0.0, 1.0]]


def test_nearest_finds_a_copy_exactly() -> None:
    references = torch.randn(300, 50, generator=torch.Generator().manual_seed(0))
    queries = torch.cat([references[[7, 200]], references[[3]] + 0.5])
    distance, index = nearest(queries, references)
    assert index.tolist() == [7, 200, 3]
    assert distance.tolist() == pytest.approx([0, 0, 0.5])


def test_nearest_needs_something() -> None:
    with pytest.raises(ValueError, match="nothing"):
        nearest(torch.zeros(1, 2), torch.zeros(0, 2))


def test_copies_are_suspect_and_strangers_not() -> None:
    rng = torch.Generator().manual_seed(0)
    training, held_out, strangers = (torch.randn(60, 20, generator=rng) for _ in range(3))

    def both(x: torch.Tensor) -> Signatures:
        return Signatures(pixels=x, features=x)

    copies = memorisation_report(both(training[:10]), both(held_out), both(training))
    others = memorisation_report(both(strangers), both(held_out), both(training))
    assert copies["pixels"]["suspect_share"] == 1
    assert copies["features"]["minimum"] == 0
    assert others["pixels"]["suspect_share"] < 0.2


def test_coverage_by_hand() -> None:
    """References at 0, 1, 2, 10 on a line: the nearest neighbours are 1, 1, 1 and 8 away."""
    references, queries = (
        torch.tensor([[0.0], [1], [2], [10]]),
        torch.tensor([[-0.9], [-1.1], [3.0], [17.9], [18.1]]),
    )
    assert coverage(queries, references, neighbours=1).tolist() == [True, False, True, True, False]
    assert coverage(references, references, neighbours=2).all()
    with pytest.raises(ValueError, match="more than 3"):
        coverage(queries, references[:3])


def test_precision_sees_quality_and_recall_variety() -> None:
    rng = torch.Generator().manual_seed(0)
    reals = torch.randn(300, 4, generator=rng)
    narrow, wide = torch.randn(300, 4, generator=rng) * 0.3, torch.randn(300, 4, generator=rng) * 3
    assert (
        coverage(narrow, reals).float().mean() > 0.95 > 0.5 > coverage(reals, narrow).float().mean()
    )
    assert coverage(reals, wide).float().mean() > 0.9 > 0.5 > coverage(wide, reals).float().mean()


@pytest.mark.parametrize(("n", "m", "d"), [(30, 40, 5), (12, 9, 40)])
def test_the_distance_by_inner_products_is_the_same(n: int, m: int, d: int) -> None:
    """Drawing every image once gives the value itself."""
    rng = torch.Generator().manual_seed(1)
    first, second = (
        torch.randn(n, d, generator=rng).double(),
        torch.randn(m, d, generator=rng).double() * 2 + 1,
    )
    squares = first.square().sum(1), second.square().sum(1)
    expected = frechet_distance(moments(first), moments(second))
    assert _gram_distance(first, second, first @ second.t(), *squares) == pytest.approx(
        expected, rel=1e-6
    )


def test_a_change_is_the_difference_and_narrower_than_of_two_figures() -> None:
    """Few real images move both distances alike: drawn together, they leave the difference
    alone."""
    rng = torch.Generator().manual_seed(3)
    old, new = torch.randn(400, 3, generator=rng) + 1, torch.randn(400, 3, generator=rng) + 0.8
    reals = torch.randn(50, 3, generator=rng)
    change = frechet_change(old, new, reals, seed=0)
    assert change.old == frechet_figure(old, reals, seed=0)
    assert change.new == frechet_figure(new, reals, seed=0)
    difference = change.difference
    assert difference.value == pytest.approx(change.new.value - change.old.value)
    assert difference.low < difference.value < difference.high < 0
    assert difference.high - difference.low < 0.7 * (change.old.high - change.old.low)
    same = frechet_change(old, old, reals, seed=0).difference
    assert same.low == same.value == same.high == 0
    with pytest.raises(ValueError, match="400 and 399"):
        frechet_change(old, new[1:], reals, seed=0)


def test_intervals_hold_the_value_and_shrink_with_more_images() -> None:
    rng = torch.Generator().manual_seed(2)
    few, many = (
        frechet_figure(
            torch.randn(n, 3, generator=rng) + 1, torch.randn(n, 3, generator=rng), seed=0
        )
        for n in (40, 300)
    )
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    assert many.low < 3 < many.high
    hits = torch.arange(100) < 30
    share = share_figure(hits, seed=0)
    assert share.value == pytest.approx(0.3)
    assert 0.18 < share.low < 0.25 < 0.35 < share.high < 0.42
    assert share == share_figure(hits, seed=0)
