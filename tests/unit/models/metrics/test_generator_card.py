import pytest
import torch

from models.metrics.generator_card import sharpness, soft_share


def test_sharpness_is_the_mean_absolute_laplacian_of_luminance() -> None:
    image = torch.zeros(1, 4, 5, 5)
    image[:, :3, 2, 2] = 1.0  # one white pixel: -4 there, 1 at its four neighbours
    assert sharpness(image) == pytest.approx(8 / 9)
    image[:, 1:3] = 0  # red alone
    assert sharpness(image) == pytest.approx(0.299 * 8 / 9)


def test_soft_alpha_counts_what_is_neither_in_nor_out() -> None:
    image = torch.full((1, 4, 2, 2), -1.0)
    image[0, 3] = torch.tensor([[-1.0, 1.0], [0.0, -0.95]])
    assert soft_share(image) == 0.25
