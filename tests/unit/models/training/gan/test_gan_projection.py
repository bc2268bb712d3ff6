import pytest
import torch

from models.networks.efficientnet import CHANNELS, EfficientNetLite0
from models.training.gan.projection import (
    ProjectedDiscriminator,
    SpectralConv,
    generator_loss,
    hinge_loss,
)


@pytest.fixture(scope="module")
def judge() -> ProjectedDiscriminator:
    torch.manual_seed(0)
    return ProjectedDiscriminator(EfficientNetLite0())


def test_hinge_by_hand() -> None:
    real, fake = (
        [torch.tensor([2.0, 0.0]), torch.tensor([1.0])],
        [torch.tensor([-3.0, 0.5]), torch.tensor([0.0])],
    )
    assert float(hinge_loss(real, fake)) == pytest.approx(((0.5 + 0.75) + (0 + 1)) / 2)
    assert float(generator_loss(fake)) == pytest.approx((1.25 + 0) / 2)


def test_maps_halve_from_a_quarter_on_and_depend_on_the_picture(
    judge: ProjectedDiscriminator,
) -> None:
    picture = torch.rand(1, 3, 128, 128) * 2 - 1
    shapes = [tuple(x.shape[1:]) for x in judge.maps(picture)]
    assert shapes == [(c, 32 >> i, 32 >> i) for i, c in enumerate(CHANNELS)]
    assert (judge.maps(picture)[3] - judge.maps(-picture)[3]).abs().mean() > 0.1


def test_what_deep_maps_saw_reaches_the_first_head(judge: ProjectedDiscriminator) -> None:
    maps = [torch.rand(1, c, 32 >> i, 32 >> i) for i, c in enumerate(CHANNELS)]
    before, after = judge.judge(maps), judge.judge([*maps[:3], maps[3] + 1])
    assert (after[0] - before[0]).abs().mean() > 1e-4


def test_only_heads_learn_and_gradients_reach_every_picture(judge: ProjectedDiscriminator) -> None:
    views = torch.rand(4, 3, 64, 64).requires_grad_(True)
    logits = judge(views)
    assert len(logits) == 4
    generator_loss(logits).backward()
    learned = {name for name, p in judge.named_parameters() if p.grad is not None}
    assert learned
    assert all(name.startswith("heads.") for name in learned)
    assert views.grad is not None
    assert views.grad.abs().sum((1, 2, 3)).min() > 0


def test_a_spectral_convolution_stretches_nothing() -> None:
    layer = SpectralConv(8, 6, 3)
    with torch.no_grad():
        layer.weight.mul_(50)
    for _ in range(30):
        layer.iterate()
    weight = layer.weight / (layer.u @ layer.weight.flatten(1) @ layer.v)
    assert torch.linalg.matrix_norm(weight.detach().flatten(1), 2).item() == pytest.approx(
        1, rel=0.02
    )
