"""Frechet distance between sets of images, on frozen features (arXiv 1706.08500, equation 6).

The features are not Inception's, so figures compare with each other only: give real against real beside them, and the
same number of images, since the distance is biased upwards for few.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.frozen_features import FrozenResNet

CHUNK = 64


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Mean [d] and covariance [d, d] of features, float64."""

    mean: Tensor
    covariance: Tensor


@torch.no_grad()
def pooled_features(network: FrozenResNet, rgb_pm1: Tensor) -> Tensor:
    """rgb_pm1: float32 [n, 3, h, w] in [-1, 1] -> float32 [n, 1024]."""
    return torch.cat([network.pooled(part) for part in torch.split(rgb_pm1, CHUNK)])


def moments(features: Tensor) -> Moments:
    """features: [n, d]. Raises ValueError for fewer than two or for values that are not finite."""
    if len(features) < 2 or not bool(features.isfinite().all()):
        raise ValueError(f"at least two finite feature vectors are needed, got {len(features)}")
    features = features.double()
    return Moments(mean=features.mean(0), covariance=features.t().cov())


def frechet_distance(first: Moments, second: Moments) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), never negative.

    The trace of the root is taken through C1^(1/2) C2 C1^(1/2), which is symmetric: stable for singular covariances.
    """
    values, vectors = torch.linalg.eigh(first.covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.t()
    product = torch.linalg.eigvalsh(root @ second.covariance @ root).clamp(min=0)
    traces = first.covariance.trace() + second.covariance.trace() - 2 * product.sqrt().sum()
    return max(float((first.mean - second.mean).square().sum() + traces), 0.0)


def over_grey(rgba_pm1: Tensor) -> Tensor:
    """RGBA [n, 4, h, w] in [-1, 1] -> the subject over middle grey, RGB [n, 3, h, w] in [-1, 1]."""
    rgba = rgba_pm1.clamp(-1, 1)
    return rgba[:, :3] * (rgba[:, 3:] + 1) / 2


def alpha_as_rgb(rgba_pm1: Tensor) -> Tensor:
    """The alpha of RGBA [n, 4, h, w] in [-1, 1] as a grey picture [n, 3, h, w]."""
    return rgba_pm1[:, 3:].clamp(-1, 1).expand(-1, 3, -1, -1)
