"""How far two sets of images are apart, on frozen features: Frechet distance (arXiv 1706.08500,
equation 6), precision and recall (arXiv 1904.06991, section 3).

The features are not Inception's, so figures compare with each other only: give real against real
beside them, and the same number of images, since the distance is biased upwards for few.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from models.metrics.bootstrap import mean_interval

CHUNK = 64
NEIGHBOURS = 3  # of arXiv 1904.06991
RESAMPLES = 50
DEVIATIONS = 1.96  # of a normal distribution, on either side of 95 %


class FeatureNetwork(Protocol):
    """A frozen network with one vector an image."""

    def pooled(self, rgb_pm1: Tensor) -> Tensor: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def rounded(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in vars(self).items()}


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Mean [d] and covariance [d, d] of features, float64."""

    mean: Tensor
    covariance: Tensor


@torch.no_grad()
def pooled_features(network: FeatureNetwork, rgb_pm1: Tensor) -> Tensor:
    """rgb_pm1: float32 [n, 3, h, w] in [-1, 1] -> float32 [n, d], on the CPU; computed where the
    network is."""
    device = next(network.parameters()).device
    return torch.cat(
        [network.pooled(part.to(device)).cpu() for part in torch.split(rgb_pm1, CHUNK)]
    )


def moments(features: Tensor) -> Moments:
    """features: [n, d]. Raises ValueError for fewer than two or for values that are not finite."""
    if len(features) < 2 or not bool(features.isfinite().all()):
        raise ValueError(f"at least two finite feature vectors are needed, got {len(features)}")
    features = features.double()
    return Moments(mean=features.mean(0), covariance=features.t().cov())


def frechet_distance(first: Moments, second: Moments) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), never negative.

    The trace of the root is taken through C1^(1/2) C2 C1^(1/2), which is symmetric: stable for
    singular covariances.
    """
    values, vectors = torch.linalg.eigh(first.covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.t()
    product = torch.linalg.eigvalsh(root @ second.covariance @ root).clamp(min=0)
    traces = first.covariance.trace() + second.covariance.trace() - 2 * product.sqrt().sum()
    return max(float((first.mean - second.mean).square().sum() + traces), 0.0)


@torch.no_grad()
def frechet_figure(
    first: Tensor, second: Tensor, *, seed: int, resamples: int = RESAMPLES
) -> Figure:
    """The distance of two sets of features [n, d] and [m, d]; both are drawn anew for the interval.

    Drawing with replacement leaves fewer distinct images, which biases the distance upwards; so the
    interval is the value and DEVIATIONS times the spread of the drawn distances, not their
    quantiles.
    """
    value = frechet_distance(moments(first), moments(second))
    return _figure(value, _drawn_distances(first, second, seed, resamples), lowest=0.0)


@dataclass(frozen=True, kw_only=True)
class Change:
    """Distances of an old and of a new set of images from the same real ones, and new minus old."""

    old: Figure
    new: Figure
    difference: Figure


@torch.no_grad()
def frechet_change(
    old: Tensor, new: Tensor, reals: Tensor, *, seed: int, resamples: int = RESAMPLES
) -> Change:
    """Features old [n, d], new [n, d], reals [m, d].

    Each time the same reals are drawn for both, so what their choice does to both cancels in the
    difference. Raises ValueError when old and new are not of one number: the distance's bias
    depends on it.
    """
    if len(old) != len(new):
        raise ValueError(
            f"as many old images as new ones are needed, got {len(old)} and {len(new)}"
        )
    before, after = (frechet_distance(moments(features), moments(reals)) for features in (old, new))
    drawn, redrawn = (_drawn_distances(features, reals, seed, resamples) for features in (old, new))
    return Change(
        old=_figure(before, drawn, lowest=0.0),
        new=_figure(after, redrawn, lowest=0.0),
        difference=_figure(after - before, redrawn - drawn),
    )


def _figure(value: float, drawn: Tensor, lowest: float = -math.inf) -> Figure:
    margin = DEVIATIONS * float(drawn.std())
    return Figure(value=value, low=max(value - margin, lowest), high=value + margin)


def _drawn_distances(first: Tensor, second: Tensor, seed: int, resamples: int) -> Tensor:
    """[resamples] distances of both sets drawn anew; a seed draws the same of sets of the same
    size."""
    rng, products = torch.Generator().manual_seed(seed), first.double() @ second.double().t()
    squares = [features.double().square().sum(1) for features in (first, second)]
    drawn = []
    for _ in range(resamples):
        i, j = (
            torch.randint(len(features), (len(features),), generator=rng)
            for features in (first, second)
        )
        drawn.append(
            _gram_distance(
                first[i].double(),
                second[j].double(),
                products[i][:, j],
                squares[0][i],
                squares[1][j],
            )
        )
    return torch.tensor(drawn)


def _gram_distance(
    first: Tensor, second: Tensor, products: Tensor, squares: Tensor, other_squares: Tensor
) -> float:
    """The distance of `frechet_distance`, from the inner products [n, m]: tr (C1 C2)^(1/2) is the
    nuclear norm of the centred ones.

    Cheaper than roots of covariances where there are fewer images than dimensions.
    """
    n, m = products.shape
    centred = products - products.mean(0) - products.mean(1, keepdim=True) + products.mean()
    root = torch.linalg.svdvals(centred).sum() / ((n - 1) * (m - 1)) ** 0.5
    means = [features.mean(0) for features in (first, second)]
    traces = [
        (total.sum() - len(total) * mean.square().sum()) / (len(total) - 1)
        for total, mean in zip((squares, other_squares), means, strict=True)
    ]
    return max(float((means[0] - means[1]).square().sum() + traces[0] + traces[1] - 2 * root), 0.0)


def coverage(queries: Tensor, references: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    """Which queries [n, d] lie in the references' manifold, bool [n]: within reach of the k-th
    neighbour of one.

    Fakes in reals' is precision, reals in fakes' recall. Raises ValueError for too few references.
    """
    if len(references) <= neighbours:
        raise ValueError(f"more than {neighbours} images are needed, got {len(references)}")
    reach = torch.cdist(references, references).kthvalue(neighbours + 1, dim=1).values
    return torch.cat(
        [(torch.cdist(part, references) <= reach).any(1) for part in torch.split(queries, CHUNK)]
    )


def share_figure(hits: Tensor, *, seed: int, resamples: int = 1000) -> Figure:
    """The share of True and its percentile bootstrap interval over the queries; the references are
    kept as they are."""
    found = mean_interval(hits.double().numpy(), seed=seed, resamples=resamples)
    return Figure(value=found.value, low=found.low, high=found.high)


def compare(fakes: Tensor, reals: Tensor, *, seed: int) -> dict[str, dict[str, float]]:
    """`frechet`, `precision` and `recall` of features [n, d] and [m, d], each with its interval."""
    figures = {
        "frechet": frechet_figure(fakes, reals, seed=seed),
        "precision": share_figure(coverage(fakes, reals), seed=seed),
        "recall": share_figure(coverage(reals, fakes), seed=seed),
    }
    return {name: figure.rounded() for name, figure in figures.items()}


def over_grey(rgba_pm1: Tensor) -> Tensor:
    """RGBA [n, 4, h, w] in [-1, 1] -> the subject over middle grey, RGB [n, 3, h, w] in [-1, 1]."""
    rgba = rgba_pm1.clamp(-1, 1)
    return rgba[:, :3] * (rgba[:, 3:] + 1) / 2


def alpha_as_rgb(rgba_pm1: Tensor) -> Tensor:
    """The alpha of RGBA [n, 4, h, w] in [-1, 1] as a grey picture [n, 3, h, w]."""
    return rgba_pm1[:, 3:].clamp(-1, 1).expand(-1, 3, -1, -1)


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {"rgb_over_grey": over_grey, "alpha": alpha_as_rgb}
"""How a network made for RGB sees RGBA: the matte counts in both."""
