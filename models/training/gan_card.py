"""What can be said of a generator in figures and one picture: for the bundle's card."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.distribution import Moments, alpha_as_rgb, frechet_distance, moments, over_grey, pooled_features
from models.frozen_features import FrozenResNet
from models.generator import Generator
from models.privacy import memorisation_report, signatures
from models.training.gan_data import Corpus, to_pm1
from models.training.gan_state import composite_over_checker, write_grid

BATCH = 8
SHEET_SIDE = 8


@torch.no_grad()
def sample(generator: Generator, count: int, psi: float, seed: int) -> Tensor:
    """`count` unfiltered images from z of a seed: float32 [count, 4, h, w], clamped to [-1, 1]."""
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(count, generator.mapping.z_dim, generator=rng)
    return torch.cat([generator(part, truncation_psi=psi) for part in torch.split(z, BATCH)]).clamp(-1, 1)


def describe_generator(
    generator: Generator, corpus: Corpus, held_out: Corpus, *, count: int = 1000, psi: float = 0.7, seed: int = 12345
) -> dict[str, Any]:
    """Frechet distances of RGB over grey and of alpha, and distances to the nearest training image, at psi and psi 1.

    Beside each Frechet distance: two halves of the real images against each other, and their mean image against them.
    Every set has the same number of images: at most `count`, and half of the corpus' subjects.
    """
    network = FrozenResNet()
    subjects = to_pm1(corpus.images[:: corpus.scenes_per_subject])
    order = torch.randperm(len(subjects), generator=torch.Generator().manual_seed(seed))
    size = min(count, len(subjects) // 2)
    first, second = subjects[order[:size]], subjects[order[size : 2 * size]]
    unseen = to_pm1(held_out.images[:: held_out.scenes_per_subject])
    training = signatures(network, torch.cat([subjects, subjects.flip(3)]))
    report: dict[str, Any] = {"images_a_set": size, "seed": seed, "held_out_subjects": len(unseen)}
    real = _moments(network, second)
    mean_image = subjects.mean(0, keepdim=True).expand_as(first)
    report["real_against_real"] = _frechet(_moments(network, first), real)
    report["mean_image_against_real"] = _frechet(_moments(network, mean_image), real)
    held_out_signatures = signatures(network, unseen)
    for name, value in (("psi_1", 1.0), (f"psi_{psi:g}", psi)):
        fakes = sample(generator, size, value, seed)
        report[name] = {
            "frechet": _frechet(_moments(network, fakes), real),
            "nearest_training_image": memorisation_report(signatures(network, fakes), held_out_signatures, training),
            "spread": {"samples": _spread(fakes), "real": _spread(first)},
        }
    return report


def _moments(network: FrozenResNet, images: Tensor) -> dict[str, Moments]:
    views = {"rgb_over_grey": over_grey, "alpha": alpha_as_rgb}
    return {name: moments(pooled_features(network, view(images))) for name, view in views.items()}


def _frechet(fakes: dict[str, Moments], reals: dict[str, Moments]) -> dict[str, float]:
    return {name: frechet_distance(fakes[name], real) for name, real in reals.items()}


def _spread(images: Tensor) -> float:
    """Root mean square deviation from the mean image: 0 for one repeated image."""
    return float(over_grey(images).std(0, correction=0).square().mean().sqrt())


def write_contact_sheet(path: Path, generator: Generator, *, psi: float = 0.7, seed: int = 12345) -> None:
    """64 unfiltered samples: each its image, its alpha and its cut-out side by side, 8 rows of 8."""
    images = sample(generator, SHEET_SIDE**2, psi, seed)
    panels = torch.cat([images[:, :3], images[:, 3:].expand(-1, 3, -1, -1), composite_over_checker(images)], 3)
    write_grid(path, torch.split(panels, SHEET_SIDE))
