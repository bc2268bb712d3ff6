import pytest
import torch

from models.networks.frozen_features import FrozenResNet
from models.training.gan.energy import EnergyDistance
from models.training.gan.losses import over_backgrounds


def views(count: int, contrast: float, seed: int) -> torch.Tensor:
    """Views of coarse random pictures."""
    rng = torch.Generator().manual_seed(seed)
    coarse = (torch.rand(count, 4, 6, 6, generator=rng) * 2 - 1) * contrast
    images = torch.nn.functional.interpolate(coarse, 32, mode="bilinear", align_corners=True)
    return torch.cat([over_backgrounds(images, rng), images[:, 3:].expand(-1, 3, -1, -1)])


@pytest.fixture(scope="module")
def energy() -> EnergyDistance:
    return EnergyDistance(FrozenResNet(), views(40, 0.8, 0))


def distance(energy: EnergyDistance, shown: torch.Tensor) -> float:
    return float(energy(shown, torch.Generator().manual_seed(0)))


def test_blurred_images_are_farther_away(energy: EnergyDistance) -> None:
    sharp = views(20, 0.8, 1)
    assert distance(energy, sharp) < distance(
        energy, torch.nn.functional.avg_pool2d(sharp, 5, 1, 2, count_include_pad=False)
    )


def test_draws_depend_on_the_generator_alone(energy: EnergyDistance) -> None:
    shown = views(4, 0.8, 1)
    assert distance(energy, shown) == distance(energy, shown)
    assert float(energy(shown, torch.Generator().manual_seed(1))) != distance(energy, shown)


def test_images_like_the_real_ones_are_nearest(energy: EnergyDistance) -> None:
    like, flat = distance(energy, views(20, 0.8, 1)), distance(energy, views(20, 0.1, 1))
    one_image = views(1, 0.8, 1)
    repeated = distance(
        energy, torch.cat([one_image[:1].repeat(20, 1, 1, 1), one_image[1:].repeat(20, 1, 1, 1)])
    )
    assert like < flat
    assert like < repeated


def test_gradients_reach_composites_and_alphas(energy: EnergyDistance) -> None:
    shown = views(2, 0.5, 2).requires_grad_(True)
    energy(shown, torch.Generator().manual_seed(0)).backward()
    assert shown.grad is not None
    assert shown.grad.isfinite().all()
    assert shown.grad.abs().sum((1, 2, 3)).min() > 0
