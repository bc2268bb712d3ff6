"""Is a sample a copy? Distances to the nearest training image, in pixels and in frozen features.

A distance means little alone: held-out real images give the scale. Samples that lie nearer to a
training image than held-out people ever do are suspect.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.metrics.frechet import FeatureNetwork, over_grey, pooled_features

CHUNK = 256
SUSPECT_PERCENTILE = 0.01


@dataclass(frozen=True, kw_only=True)
class Signatures:
    """pixels: the subject over grey, [n, 3 h w] in [-1, 1]; features: [n, 1024], unit length."""

    pixels: Tensor
    features: Tensor


def signatures(network: FeatureNetwork, rgba_pm1: Tensor) -> Signatures:
    """rgba_pm1: float32 [n, 4, h, w] in [-1, 1]."""
    composites = over_grey(rgba_pm1)
    return Signatures(
        pixels=composites.flatten(1), features=F.normalize(pooled_features(network, composites))
    )


def nearest(queries: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
    """Root mean square difference to the nearest reference, and its index: [n, d], [m, d] -> [n],
    [n].

    Raises ValueError when there is no reference.
    """
    if not len(references):
        raise ValueError("there is nothing to compare with")
    index = torch.cat(
        [torch.cdist(part, references).argmin(1) for part in torch.split(queries, CHUNK)]
    )
    return (queries - references[index]).square().mean(1).sqrt(), index


def memorisation_report(
    samples: Signatures, held_out: Signatures, training: Signatures
) -> dict[str, dict[str, float]]:
    """For pixels and features: medians and minima of samples and held-out images, and the share of
    suspects.

    A suspect lies nearer to its training image than all but one per cent of the held-out ones.
    """
    return {
        space: _compare(
            nearest(getattr(samples, space), getattr(training, space))[0],
            nearest(getattr(held_out, space), getattr(training, space))[0],
        )
        for space in ("pixels", "features")
    }


def _compare(sample: Tensor, held_out: Tensor) -> dict[str, float]:
    return {
        "median": float(sample.median()),
        "minimum": float(sample.min()),
        "held_out_median": float(held_out.median()),
        "held_out_minimum": float(held_out.min()),
        "suspect_share": float((sample < held_out.quantile(SUSPECT_PERCENTILE)).float().mean()),
    }
