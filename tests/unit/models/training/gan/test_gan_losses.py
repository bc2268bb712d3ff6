import pytest
import torch
from torch import nn

from models.training.gan.losses import (
    GradientBalance,
    blurred_backgrounds,
    guarded_step,
    r1_penalty,
    scenes_and_composites,
)


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 1)

    def forward(self, images: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        return self.layer(images.flatten(1).to(dtype))


def test_r1_of_a_linear_discriminator_is_its_squared_weight() -> None:
    network = Linear()
    penalty = r1_penalty(network, torch.randn(5, 3, 2, 2), torch.float32)
    torch.testing.assert_close(penalty, network.layer.weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(network.layer.weight.grad, 2 * network.layer.weight)


@pytest.mark.parametrize("length", [1e-3, 100.0])
def test_balance_gives_the_second_its_share(length: float) -> None:
    first, second = torch.tensor([3.0, 4.0]), torch.tensor([0.0, length])
    torch.testing.assert_close(GradientBalance()(first, second, 0.5), torch.tensor([3.0, 6.5]))


def test_balance_follows_slowly() -> None:
    balance, one = GradientBalance(rate=0.1), torch.ones(4)
    balance(one, one, 1.0)
    torch.testing.assert_close(balance(one, one * 10, 1.0), one * (1 + 10 / 1.9))


def test_half_are_scenes_and_half_keep_the_subject_over_another_background() -> None:
    images = torch.rand(4, 4, 8, 8)
    images[:, 3] = torch.cat([torch.ones(4, 8, 4), -torch.ones(4, 8, 4)], 2)
    bank = torch.full((3, 3, 8, 8), 0.25)
    views = scenes_and_composites(images, bank, torch.Generator().manual_seed(0))
    assert torch.equal(views[:2], images[:2, :3])
    assert torch.equal(views[2:, ..., :4], images[2:, :3, :, :4])
    assert torch.equal(views[2:, ..., 4:], bank[:2, ..., 4:])


def test_backgrounds_have_the_colours_of_scenes_without_their_detail() -> None:
    stripes = (torch.arange(32) % 2 * 255).byte().expand(5, 4, 32, 32)
    flat = blurred_backgrounds(stripes)
    assert flat.shape == (5, 3, 32, 32)
    assert flat.abs().max() < 0.02


def test_a_step_with_a_broken_gradient_is_left_out_and_counted() -> None:
    weight, skipped = nn.Parameter(torch.ones(3)), torch.zeros(())
    adam = torch.optim.Adam([weight], lr=0.1, betas=(0.0, 0.99), fused=True)
    for gradient, expected in (([1.0, 1, 1], 0.9), ([1.0, float("nan"), 1], 0.9), ([1.0] * 3, 0.8)):
        weight.grad = torch.tensor(gradient)
        guarded_step(adam, skipped)
        torch.testing.assert_close(weight.data, torch.full((3,), expected))
    assert float(skipped) == 1
