"""The fast operations equal their textbook definitions, in values and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from models.kernels.filtered_lrelu.filtering import Filtering
from models.networks.stylegan3 import ops
from models.networks.stylegan3.filters import design_lowpass
from models.networks.stylegan3.ops import filtered_lrelu, filtered_lrelu_torch
from workers.bench import textbook


def textbook_modulated_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    styles: torch.Tensor,
    demodulate: bool,
    padding: int,
    gain: torch.Tensor,
) -> torch.Tensor:
    """One set of weights per sample, as a grouped convolution."""
    if demodulate:
        weight = weight * weight.square().mean([1, 2, 3], keepdim=True).rsqrt()
        styles = styles * styles.square().mean().rsqrt()
    own = weight[None] * styles[:, None, :, None, None]  # [n, o, i, k, k]
    if demodulate:
        own = own * (own.square().sum([2, 3, 4], keepdim=True) + 1e-8).rsqrt()
    own = (own * gain).flatten(0, 1)
    y = F.conv2d(x.flatten(0, 1)[None], own, padding=padding, groups=len(x))
    return y.view(len(x), len(weight), *y.shape[2:])


def modulated_conv(x: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
    """Ours, with the scale that it leaves to the filter."""
    y, scale = ops.modulated_conv(x, *rest, **options)
    return y if scale is None else y * scale[:, :, None, None]


def _lowpass(taps: int, radial: bool = False) -> torch.Tensor | None:
    """Not symmetric, so that a reversed filter shows."""
    if taps == 1:
        return None
    ramp = torch.linspace(0.5, 1.5, taps, dtype=torch.float64)
    return design_lowpass(taps, 1.0, 1.0, 8.0, radial).double() * (
        ramp[:, None] * ramp.square() if radial else ramp
    )


# (size, up, down, up taps, down taps, radial, padding): the layers of the goldens, then less
# regular ones.
GEOMETRIES = [
    ((38, 38), 2, 2, 12, 12, False, (9, 8, 9, 8)),
    ((38, 38), 4, 2, 24, 12, False, (-6, -9, -6, -9)),
    ((86, 86), 2, 2, 12, 12, False, (-11, -12, -11, -12)),
    ((36, 36), 2, 2, 12, 12, True, (11, 10, 11, 10)),
    ((36, 36), 4, 2, 24, 12, True, (-2, -5, -2, -5)),
    ((16, 16), 1, 1, 1, 1, False, (0, 0, 0, 0)),
    ((9, 40), 2, 1, 7, 1, False, (3, -2, 0, 5)),
    ((33, 20), 1, 3, 1, 5, False, (2, 1, 0, 4)),
    ((12, 50), 3, 2, 8, 6, False, (15, 20, 1, 2)),
]


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(("slope", "clamp"), [(0.2, 1.0), (0.2, None), (1.0, 1.0)])
def test_filtered_lrelu_torch(geometry: Any, slope: float, clamp: float | None) -> None:
    (h, w), up, down, up_taps, down_taps, radial, padding = geometry
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 2, h, w, dtype=torch.float64, generator=generator).requires_grad_()
    bias = torch.randn(2, dtype=torch.float64, generator=generator).requires_grad_()
    filtering = Filtering(
        _lowpass(up_taps), _lowpass(down_taps, radial), up, down, padding, 1.5, slope, clamp
    )
    expected = textbook.filtered_lrelu(x, filtering, bias)
    actual = filtered_lrelu_torch(x, filtering, bias)
    assert actual.shape == expected.shape
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)
    cotangent = torch.randn(expected.shape, dtype=torch.float64, generator=generator)
    wanted = torch.autograd.grad(expected, (x, bias), cotangent)
    for got, want in zip(torch.autograd.grad(actual, (x, bias), cotangent), wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-11)


def test_padding_of_zeros_is_added_after_the_bias() -> None:
    x, bias = torch.zeros(1, 1, 4, 4), torch.ones(1)
    filtering = Filtering(None, None, 1, 1, (1, 1, 1, 1), 1.0, 0.2, None)
    y = filtered_lrelu_torch(x, filtering, bias)
    assert torch.equal(y, F.pad(torch.ones(1, 1, 4, 4), (1, 1, 1, 1)))


def test_the_dispatcher_s_choice_equals_the_torch_path_in_float32() -> None:
    x, bias = torch.randn(2, 8, 38, 38), torch.randn(8)
    low = design_lowpass(12, 2.0, 6.0, 32.0)
    filtering = Filtering(low, low, 2, 2, (9, 8, 9, 8), 2**0.5, 0.2, 256.0)
    torch.testing.assert_close(
        filtered_lrelu(x, filtering, bias), filtered_lrelu_torch(x, filtering, bias),
        rtol=0, atol=1e-5,
    )  # fmt: skip
    scale = torch.rand(2, 8) + 0.5
    expected = filtered_lrelu_torch(x * scale[:, :, None, None], filtering, bias)
    for operation in (filtered_lrelu, filtered_lrelu_torch):
        actual = operation(x, filtering, bias, scale=scale)
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("kernel", [1, 3])
def test_modulated_conv(demodulate: bool, kernel: int) -> None:
    generator = torch.Generator().manual_seed(2)
    shapes = (3, 5, 9, 7), (4, 5, kernel, kernel), (3, 5), ()
    inputs = [
        torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
        for shape in shapes
    ]
    x, weight, styles, gain = inputs
    expected = textbook_modulated_conv(x, weight, styles, demodulate, kernel - 1, gain)
    actual = modulated_conv(x, weight, styles, demodulate, kernel - 1, gain)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)
    cotangent = torch.randn(expected.shape, dtype=torch.float64, generator=generator)
    wanted = torch.autograd.grad(expected, inputs, cotangent)
    for got, want in zip(torch.autograd.grad(actual, inputs, cotangent), wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-11)


def test_modulated_conv_ignores_the_scale_of_weights_and_of_all_styles() -> None:
    x, weight, styles = torch.randn(2, 6, 8, 8), torch.randn(4, 6, 3, 3), torch.randn(2, 6)
    y = modulated_conv(x, weight, styles)
    torch.testing.assert_close(modulated_conv(x, weight * 100, styles * 7), y, rtol=1e-4, atol=1e-5)


def test_half_precision_stays_in_half_precision_and_near() -> None:
    generator = torch.Generator().manual_seed(3)
    x, bias = torch.randn(1, 8, 20, 20, generator=generator), torch.randn(8, generator=generator)
    weight, styles = (
        torch.randn(8, 8, 3, 3, generator=generator),
        torch.randn(1, 8, generator=generator),
    )
    low = design_lowpass(12, 2.0, 6.0, 32.0)

    filtering = Filtering(low, low, 2, 2, (9, 8, 9, 8), 2**0.5, 0.2, 256.0)

    def layer(dtype: torch.dtype) -> torch.Tensor:
        y = modulated_conv(x.to(dtype), weight, styles, padding=2, input_gain=torch.tensor(0.5))
        return filtered_lrelu_torch(y, filtering, bias.to(dtype))

    half = layer(torch.float16)
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), layer(torch.float32), rtol=0, atol=2e-2)
