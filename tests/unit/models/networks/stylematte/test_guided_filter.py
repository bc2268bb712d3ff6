"""Fast guided filter: window means, and what it must do with guides that explain the map or say
nothing."""

import pytest
import torch
import torch.nn.functional as F

from models.networks.stylematte import predict_alpha
from models.networks.stylematte.guided_filter import box_mean, fast_guided_filter


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("radius", [1, 2])
def test_box_mean_is_the_mean_inside_the_picture(radius):
    x = noise(2, 3, 7, 9)
    expected = F.avg_pool2d(x, 2 * radius + 1, 1, radius, count_include_pad=False)
    torch.testing.assert_close(box_mean(x, radius), expected, rtol=0, atol=2e-6)


def test_a_linear_function_of_the_guide_is_sharpened_to_the_guide():
    guide = noise(1, 1, 32, 32)
    low_guide = F.interpolate(guide, size=(8, 8), mode="bicubic", align_corners=True)
    found = fast_guided_filter(low_guide, 3 * low_guide - 1, guide, radius=1, eps=1e-9)
    torch.testing.assert_close(found, 3 * guide - 1, rtol=0, atol=1e-3)


def test_a_flat_guide_only_smooths():
    low, flat = noise(1, 1, 8, 8), torch.zeros(1, 1, 32, 32)
    found = fast_guided_filter(torch.zeros(1, 1, 8, 8), low, flat, radius=1, eps=1e-4)
    expected = F.interpolate(box_mean(low, 1), size=(32, 32), mode="bilinear", align_corners=True)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_images_are_normalised_as_the_backbone_expects():
    seen = []
    predict_alpha(_Spy(seen), torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1))
    expected = [(0 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert seen[0].flatten().tolist() == pytest.approx(expected)


class _Spy(torch.nn.Module):
    def __init__(self, seen: list[torch.Tensor]) -> None:
        super().__init__()
        self.seen = seen

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.seen.append(image)
        return image[:, :1]
