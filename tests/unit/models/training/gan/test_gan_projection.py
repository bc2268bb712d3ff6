import pytest
import torch

from models.networks.frozen_features import FrozenResNet
from models.training.gan.projection import (
    ProjectedDiscriminator,
    RandomMixing,
    generator_loss,
    hinge_loss,
)


@pytest.fixture(scope="module")
def features() -> FrozenResNet:
    return FrozenResNet()


def test_hinge_by_hand() -> None:
    real, fake = (
        [torch.tensor([2.0, 0.0]), torch.tensor([1.0])],
        [torch.tensor([-3.0, 0.5]), torch.tensor([0.0])],
    )
    assert float(hinge_loss(real, fake)) == pytest.approx(((0.5 + 0.75) + (0 + 1)) / 2)
    assert float(generator_loss(fake)) == pytest.approx((1.25 + 0) / 2)


def test_mixing_brings_what_deep_stages_saw_to_the_first() -> None:
    mixing = RandomMixing(stages=2, width=8)
    maps = [torch.rand(1, 64, 8, 8), torch.rand(1, 128, 4, 4)]
    before = mixing(maps)
    after = mixing([maps[0], maps[1] + 1])
    assert [tuple(x.shape) for x in before] == [(1, 8, 8, 8), (1, 8, 4, 4)]
    assert (after[0] - before[0]).abs().mean() > 0.1


def test_only_heads_learn_and_gradients_reach_every_view(features: FrozenResNet) -> None:
    judge = ProjectedDiscriminator(features)
    views = torch.rand(4, 3, 32, 32).requires_grad_(True)
    logits = judge(views)
    assert len(logits) == 8
    generator_loss(logits).backward()
    learned = {name for name, p in judge.named_parameters() if p.grad is not None}
    assert learned
    assert all(name.startswith("heads.") for name in learned)
    assert views.grad is not None
    assert views.grad.abs().sum((1, 2, 3)).min() > 0


def test_heads_tell_composites_from_alphas(features: FrozenResNet) -> None:
    """The same picture as composite and as alpha goes through different heads."""
    picture = torch.rand(1, 3, 32, 32)
    composite, alpha, *_ = ProjectedDiscriminator(features)(torch.cat([picture, picture]))
    assert not torch.allclose(composite, alpha)
