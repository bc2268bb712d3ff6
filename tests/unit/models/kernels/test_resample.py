"""Products with banded matrices against convolutions, and their derivatives."""

import pytest
import torch
import torch.nn.functional as F

from models.kernels.resample import band, resample
from models.networks.discriminator import _line, blur, blur_kernel

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("padding", "stride"), [(1, 2), (2, 1)])
def test_the_discriminators_blur_is_its_convolution(layout, padding, stride) -> None:
    kernel = blur_kernel().double()
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64).contiguous(memory_format=layout)
    sides = (padding, padding)
    bands = [band(_line(kernel, 0), 16, down=stride, padding=sides, like=x) for _ in range(2)]
    y = resample(x, *bands)
    torch.testing.assert_close(y, blur(x, kernel, padding=padding, stride=stride))
    assert y.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("up", "down"), [(2, 1), (1, 2), (3, 2)])
def test_it_inserts_zeros_pads_filters_and_decimates(layout, up, down) -> None:
    taps = torch.tensor([0.5, -0.25, 2.0, 1.0], dtype=torch.float64)
    x = torch.randn(2, 3, 7, 5, dtype=torch.float64).contiguous(memory_format=layout)
    options = {"up": up, "down": down, "padding": (2, 3), "gain": 0.5, "like": x}
    bands = [band(taps, size, **options) for size in (7, 5)]
    inserted = x.new_zeros(2, 3, 7 * up, 5 * up)
    inserted[:, :, ::up, ::up] = x
    kernel = (taps * up * 0.5).outer(taps * up * 0.5).flip(0, 1).expand(3, 1, 4, 4)
    wanted = F.conv2d(F.pad(inserted, (2, 3, 2, 3)), kernel, groups=3)[:, :, ::down, ::down]
    torch.testing.assert_close(resample(x, *bands), wanted)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_can_be_differentiated_twice(layout) -> None:
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64).contiguous(memory_format=layout)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8
    bands = [band(taps, size, down=2, padding=(1, 1), like=x) for size in (5, 4)]
    assert torch.autograd.gradcheck(lambda v: resample(v, *bands), (x.requires_grad_(),))
    assert torch.autograd.gradgradcheck(lambda v: resample(v, *bands).square(), (x,))
