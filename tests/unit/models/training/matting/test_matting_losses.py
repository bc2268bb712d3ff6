"""Matting losses: zero at the truth, known values, gradients that lead there."""

import pytest
import torch

from models.training.matting.losses import (
    composition_loss,
    dice_loss,
    laplacian_loss,
    laplacian_pyramid,
    matting_loss,
)


@pytest.fixture
def true() -> torch.Tensor:
    alpha = torch.zeros(2, 1, 32, 32)
    alpha[:, :, 8:24, 10:20] = 1
    return alpha


def test_truth_costs_nothing(true):
    losses = matting_loss(true, true)
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(
        {"l1": 0, "laplacian": 0, "dice": 0, "total": 0}, abs=1e-6
    )


def test_known_values(true):
    losses = matting_loss(torch.zeros_like(true), true)
    assert losses["l1"].item() == pytest.approx(160 / 1024)
    assert losses["dice"].item() == pytest.approx(1 - 1 / 161)
    assert losses["total"] == pytest.approx(
        sum(losses[name].item() for name in ("l1", "laplacian", "dice"))
    )


def test_laplacian_sees_detail_but_no_constant(true):
    assert laplacian_loss(true * 0.5 + 0.3, true * 0.5).item() == pytest.approx(0, abs=1e-6)
    shifted = torch.roll(true, 1, dims=3)
    assert laplacian_loss(shifted, true) > laplacian_loss(true * 0.9, true)
    assert [tuple(band.shape[-2:]) for band in laplacian_pyramid(true, 3)] == [
        (32, 32),
        (16, 16),
        (8, 8),
    ]


def test_dice_is_bounded_and_per_image(true):
    half = true.clone()
    half[1] = 0
    assert 0 < dice_loss(half, true).item() == pytest.approx((1 - 1 / 161) / 2, abs=1e-4)


def test_descent_reaches_the_truth(true):
    logit = torch.zeros_like(true, requires_grad=True)
    optimiser = torch.optim.Adam([logit], lr=0.3)
    for _ in range(60):
        optimiser.zero_grad()
        matting_loss(torch.sigmoid(logit), true)["total"].backward()
        optimiser.step()
    assert (torch.sigmoid(logit) - true).abs().max() < 0.1


def test_composition_is_the_difference_of_the_composites(true):
    rng = torch.Generator().manual_seed(0)
    foreground, background = torch.rand(2, 2, 3, 32, 32, generator=rng)
    predicted = torch.rand(2, 1, 32, 32, generator=rng)
    composites = [foreground * alpha + background * (1 - alpha) for alpha in (predicted, true)]
    contrast = (foreground - background).abs()
    expected = (composites[0] - composites[1]).abs().mean()
    assert composition_loss(predicted, true, contrast).item() == pytest.approx(expected.item())
    losses = matting_loss(predicted, true, contrast)
    assert losses["total"].item() == pytest.approx(
        sum(v.item() for k, v in losses.items() if k != "total")
    )
