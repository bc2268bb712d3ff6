"""The Triton kernel under Triton's interpreter, against the textbook; on a GPU it is compiled: see
the marker `gpu`."""

from __future__ import annotations

import importlib.util
import os
from types import ModuleType
from unittest import mock

import pytest
import torch
import torch.nn.functional as F

from models.kernels.filtered_lrelu import triton_kernel
from models.networks.stylegan3 import ops


@pytest.fixture(scope="module")
def interpreted() -> ModuleType:
    """A copy of the module whose kernels are interpreted: that is decided when they are
    decorated."""
    spec = importlib.util.spec_from_file_location("interpreted_triton", triton_kernel.__file__)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(os.environ, TRITON_INTERPRET="1"):
        spec.loader.exec_module(module)
    return module


def lowpass(taps: int) -> torch.Tensor:
    """Asymmetric, so that a convolution isn't taken for a correlation."""
    weights = torch.rand(taps, generator=torch.Generator().manual_seed(taps)) - 0.2
    return weights / weights.abs().sum()


def textbook(x, up_filter, down_filter, bias, up, down, padding, gain, slope, clamp):
    """Zero insertion, padding or cropping, whole convolutions: arXiv 2106.12423, section 3.2."""

    def convolve(x, taps):
        if taps is None:
            return x
        kernel = torch.outer(taps, taps).flip(0, 1)[None, None].to(x)
        return F.conv2d(x.flatten(0, 1)[:, None], kernel)[:, 0].unflatten(0, x.shape[:2])

    n, c, h, w = x.shape
    inserted = x.new_zeros(n, c, h, up, w, up)
    inserted[:, :, :, 0, :, 0] = x + bias[:, None, None]
    x = convolve(F.pad(inserted.reshape(n, c, h * up, w * up), padding), up_filter) * up**2
    x = F.leaky_relu(x, slope) * gain
    return convolve(x if clamp is None else x.clamp(-clamp, clamp), down_filter)[
        :, :, ::down, ::down
    ]


CASES = {
    "layer": (12, 12, 2, 2, (9, 8, 9, 8), (13, 18), 0.4),
    "critical": (24, 12, 4, 2, (-6, -9, -6, -9), (19, 24), None),
    "down_4": (12, 24, 2, 4, (9, 8, 9, 8), (31, 20), 0.4),
    "to_rgb": (None, None, 1, 1, (0, 0, 0, 0), (13, 18), 256.0),
    "uneven": (7, 5, 3, 2, (3, 8, -2, 12), (13, 18), 0.4),
    "several_tiles": (12, 12, 2, 2, (3, 9, 5, 4), (20, 39), 0.4),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 2e-3)])
def test_kernel_computes_the_textbook(
    interpreted: ModuleType, case: tuple, dtype: torch.dtype, tolerance: float
) -> None:
    up_taps, down_taps, up, down, padding, size, clamp = case
    filters = [None if taps is None else lowpass(taps) for taps in (up_taps, down_taps)]
    random = torch.Generator().manual_seed(0)
    x, bias = torch.randn(1, 2, *size, generator=random), torch.randn(2, generator=random)
    rest = up, down, padding, 2**0.5, 0.2, clamp
    y = interpreted.filtered_lrelu(x.to(dtype), *filters, bias.to(dtype), *rest)
    exact = textbook(x.double(), *filters, bias.double(), *rest)
    assert y.dtype is dtype
    assert y.shape == exact.shape
    assert (y - exact).abs().max() <= tolerance * exact.abs().max()


def test_padding_that_leaves_nothing_is_refused(interpreted: ModuleType) -> None:
    with pytest.raises(ValueError, match="leaves nothing"):
        interpreted.filtered_lrelu(
            torch.zeros(1, 1, 2, 2), lowpass(12), lowpass(12), None, 2, 2, (0, 0, 0, 0), 1, 1, None
        )


def test_gradients_and_radial_filters_are_left_to_torch() -> None:
    x, line = torch.zeros(1, 1, 4, 4), lowpass(12)
    assert triton_kernel.supports(x, line, None)
    assert triton_kernel.supports(x, None, None)
    assert not triton_kernel.supports(x, torch.outer(line, line), None)
    assert not triton_kernel.supports(x.clone().requires_grad_(), line, None)
    with torch.no_grad():
        assert triton_kernel.supports(x.clone().requires_grad_(), line, None)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_compiled_kernel_agrees_with_torch(dtype: torch.dtype) -> None:
    x = torch.randn(2, 8, 36, 36, device="cuda", dtype=dtype)
    arguments = (
        lowpass(12).cuda(),
        lowpass(12).cuda(),
        x.new_ones(8),
        2,
        2,
        (9, 8, 9, 8),
        2**0.5,
        0.2,
        256.0,
    )
    expected = ops.filtered_lrelu_torch(x, *arguments)
    difference = (ops.filtered_lrelu(x, *arguments) - expected).abs().max()
    assert difference <= (1e-5 if dtype == torch.float32 else 1e-2) * expected.abs().max()
