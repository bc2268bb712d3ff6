"""Steps of the training images: each does what it says and nothing at strength zero."""

import numpy as np
import pytest
import torch

from models.training.matting.augment import camouflage, move_subject
from models.training.matting.photometry import compress, filter_randomly, gaussian_blur, mute


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(4)) * 0.6 + 0.2


def strengths(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1)


def test_camouflage_takes_the_colour_of_the_head(pictures):
    subject = torch.zeros(3, 4, 32, 32)
    subject[:, :, 4:12, 10:20] = torch.tensor([0.5, 0.4, 0.3, 1.0]).view(4, 1, 1)
    hidden = camouflage(pictures, subject, strengths(0, 1, 1))
    assert torch.equal(hidden[0], pictures[0])
    assert hidden[1].mean(dim=(1, 2)).tolist() == pytest.approx([0.5, 0.4, 0.3], abs=0.02)


def test_mute_leads_to_grey(pictures):
    muted = mute(pictures, strengths(1, 0, 0.5))
    torch.testing.assert_close(muted[0], pictures[0])
    assert muted[1].std(dim=0).max() < 1e-6
    torch.testing.assert_close(muted.mean(dim=1), pictures.mean(dim=1))


def test_blur_is_per_image_and_keeps_the_mean(pictures):
    soft = gaussian_blur(pictures, np.array([0.0, 1.0, 3.0]))
    torch.testing.assert_close(soft[0], pictures[0])
    assert soft[0].std() > soft[1].std() > soft[2].std()
    assert soft.mean().item() == pytest.approx(pictures.mean().item(), abs=0.02)


def test_random_filters_keep_mean_and_range(pictures):
    before = pictures.clone()
    filtered = filter_randomly(pictures.repeat(8, 1, 1, 1), np.random.default_rng(0))
    changed = (filtered - before.repeat(8, 1, 1, 1)).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert 0 < changed.sum() < 24
    assert filtered.mean().item() == pytest.approx(before.mean().item(), abs=0.02)
    assert 0 <= filtered.min() < filtered.max() <= 1


def test_jpeg_changes_little(pictures):
    smooth = gaussian_blur(pictures, np.full(3, 3.0))[0]
    assert 0 < (compress(smooth, 90) - smooth).abs().max() < 0.1


def test_moving_keeps_colours_premultiplied():
    subject = torch.zeros(16, 4, 64, 64)
    subject[:, :, 20:, 16:48] = torch.tensor([0.5, 0.25, 0.0, 1.0]).view(4, 1, 1)
    for size in (32, 64):
        moved = move_subject(subject, size, np.random.default_rng(1))
        assert moved.shape == (16, 4, size, size)
        torch.testing.assert_close(moved[:, 0], 0.5 * moved[:, 3])
        torch.testing.assert_close(moved[:, 1], 0.25 * moved[:, 3])
        assert 0.2 < moved[:, 3].mean() < 0.5
