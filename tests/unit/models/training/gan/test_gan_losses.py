import torch
from torch import nn

from models.training.gan.losses import (
    GradientBalance,
    RgbaDiscriminator,
    over_backgrounds,
    r1_penalty,
)
from models.training.gan.presets import PRESETS


def test_r1_of_a_linear_discriminator_is_its_squared_weight() -> None:
    layer = nn.Linear(12, 1)
    penalty = r1_penalty(nn.Sequential(nn.Flatten(), layer), torch.randn(5, 3, 2, 2))
    torch.testing.assert_close(penalty, layer.weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(layer.weight.grad, 2 * layer.weight)


def test_balance_gives_each_source_its_share() -> None:
    reference, weak, strong = (
        torch.tensor([3.0, 4.0]),
        torch.tensor([0.0, 1e-3]),
        torch.tensor([100.0, 0.0]),
    )
    total = GradientBalance(2)(reference, [weak, strong], [0.5, 0.2])
    torch.testing.assert_close(total, torch.tensor([3.0 + 1.0, 4.0 + 2.5]))


def test_balance_follows_slowly() -> None:
    balance = GradientBalance(1, rate=0.1)
    one = torch.ones(4)
    balance(one, [one], [1.0])
    jumped = balance(one, [one * 10], [1.0])
    torch.testing.assert_close(jumped, one * (1 + 10 / 1.9))


def test_composites_keep_the_subject_and_replace_the_rest() -> None:
    images = torch.rand(2, 4, 8, 8)
    images[:, 3] = torch.cat([torch.ones(2, 8, 4), -torch.ones(2, 8, 4)], 2)
    first = over_backgrounds(images, torch.Generator().manual_seed(0))
    second = over_backgrounds(images, torch.Generator().manual_seed(1))
    assert torch.equal(first[..., :4], images[:, :3, :, :4])
    assert torch.equal(second[..., :4], first[..., :4])
    assert (second[..., 4:] - first[..., 4:]).abs().mean() > 0.01


def test_real_backgrounds_come_from_the_bank_mirrored_or_not() -> None:
    ramp = torch.arange(8, dtype=torch.uint8).expand(5, 3, 8, 8) * 30
    empty = torch.cat([torch.rand(40, 3, 8, 8), -torch.ones(40, 1, 8, 8)], 1)
    rows = {
        tuple(row.round().int().tolist())
        for row in (over_backgrounds(empty, torch.Generator(), ramp)[:, 0, 0] + 1) * 127.5
    }
    assert rows == {tuple(range(0, 240, 30)), tuple(range(210, -1, -30))}


def test_the_rgba_discriminator_gives_a_logit_an_image() -> None:
    assert RgbaDiscriminator(PRESETS["embedded-64"])(torch.randn(4, 4, 64, 64)).shape == (4, 1)
