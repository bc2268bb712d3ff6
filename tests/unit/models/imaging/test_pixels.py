"""Pixel conversions: every stored value survives the round trip; rounding, clamping and compositing
are as written."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.imaging.pixels import (
    alpha_from_pixels,
    alpha_to_u8,
    alpha_to_u16,
    composite,
    join_rgba,
    premultiplied,
    rgb_from_levels,
    rgb_from_u8,
    rgb_to_u8,
    split_rgba,
    straight,
)


def test_every_rgb_value_round_trips() -> None:
    rgb = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    rgb[..., 1] = 255 - rgb[..., 1]
    floats = rgb_from_u8(rgb)
    assert (floats.dtype, floats.shape) == (torch.float32, (1, 3, 16, 16))
    assert (floats.min().item(), floats.max().item()) == (-1, 1)
    assert np.array_equal(rgb_to_u8(floats), rgb)


@pytest.mark.parametrize(("dtype", "levels"), [(np.uint8, 256), (np.uint16, 65536)])
def test_every_alpha_value_round_trips(dtype: type, levels: int) -> None:
    pixels = np.arange(levels).astype(dtype).reshape(1, 16, -1)
    alpha = alpha_from_pixels(pixels)
    assert (alpha.dtype, alpha.shape) == (torch.float32, (1, 1, 16, levels // 16))
    assert (alpha.min().item(), alpha.max().item()) == (0, 1)
    back = alpha_to_u8(alpha) if dtype is np.uint8 else alpha_to_u16(alpha)
    assert back.dtype == dtype
    assert np.array_equal(back, pixels)


def test_every_alpha_value_round_trips_through_the_generator_range() -> None:
    alpha = alpha_from_pixels(np.arange(256, dtype=np.uint8).reshape(1, 16, 16))
    rgb, back = split_rgba(join_rgba(torch.zeros(1, 3, 16, 16), alpha))
    assert np.array_equal(alpha_to_u8(back), np.arange(256).reshape(1, 16, 16))
    assert not rgb.any()


def test_channels_and_axes_keep_their_places() -> None:
    rgb = torch.full((2, 3, 4, 5), -1.0)
    rgb[1, 2, 3, 0] = 1
    pixels = rgb_to_u8(rgb)
    assert pixels.shape == (2, 4, 5, 3)
    assert np.argwhere(pixels).tolist() == [[1, 3, 0, 2]]
    assert pixels.flags.c_contiguous


def test_halves_are_rounded_up() -> None:
    half = torch.full((1, 1, 1, 1), 0.5)
    assert (alpha_to_u8(half).item(), alpha_to_u16(half).item()) == (128, 32768)
    assert rgb_to_u8(torch.zeros(1, 3, 1, 1)).ravel().tolist() == [128] * 3


def test_the_nearest_value_is_taken() -> None:
    steps = torch.tensor([0.49, 0.51, 1.49, 1.51, 254.49, 254.51]).reshape(1, 1, 1, 6)
    expected = [0, 1, 1, 2, 254, 255]
    assert alpha_to_u8(steps / 255).ravel().tolist() == expected
    assert alpha_to_u16(steps / 65535).ravel().tolist() == expected
    assert rgb_to_u8((steps / 255 * 2 - 1).repeat(1, 3, 1, 1))[..., 0].ravel().tolist() == expected


def test_values_out_of_range_are_clamped() -> None:
    wild = torch.tensor([-1e9, -1.01, 1.01, 1e9]).reshape(1, 1, 1, 4)
    assert alpha_to_u8(wild).ravel().tolist() == [0, 0, 255, 255]
    assert alpha_to_u16(wild).ravel().tolist() == [0, 0, 65535, 65535]
    assert rgb_to_u8(wild.repeat(1, 3, 1, 1))[..., 0].ravel().tolist() == [0, 0, 255, 255]
    rgb, alpha = split_rgba(wild.repeat(1, 4, 1, 1))
    assert (rgb.min().item(), rgb.max().item(), alpha.min().item(), alpha.max().item()) == (
        -1,
        1,
        0,
        1,
    )


def test_split_needs_four_channels() -> None:
    with pytest.raises(ValueError, match="4 channels, not 3"):
        split_rgba(torch.zeros(1, 3, 2, 2))


def test_other_pixel_types_are_refused() -> None:
    with pytest.raises(ValueError, match="not float64"):
        rgb_from_u8(np.zeros((1, 2, 2, 3)))


@settings(deadline=None)
@given(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32), st.floats(0, 1, width=32))
def test_composite_follows_its_equation(foreground: float, background: float, alpha: float) -> None:
    shape = (1, 3, 1, 1)
    mixed = composite(
        torch.full(shape, foreground),
        torch.full((1, 1, 1, 1), alpha),
        torch.full(shape, background),
    )
    assert mixed.shape == shape
    assert mixed[0, 0, 0, 0].item() == pytest.approx(
        alpha * foreground + (1 - alpha) * background, abs=1e-6
    )


def test_composite_is_exact_where_alpha_is_0_or_1() -> None:
    torch.manual_seed(0)
    foreground, background = torch.rand(2, 1, 3, 8, 8)
    assert torch.equal(composite(foreground, torch.ones(1, 1, 8, 8), background), foreground)
    assert torch.equal(composite(foreground, torch.zeros(1, 1, 8, 8), background), background)


@settings(deadline=None)
@given(st.floats(0, 1, width=32), st.floats(1 / 256, 1, width=32))
def test_premultiplication_is_undone(colour: float, alpha: float) -> None:
    rgb, a = torch.full((1, 3, 1, 1), colour), torch.full((1, 1, 1, 1), alpha)
    torch.testing.assert_close(straight(premultiplied(rgb, a), a), rgb, atol=1e-6, rtol=0)


def test_no_colour_is_left_where_alpha_is_0() -> None:
    rgb = torch.ones(1, 3, 2, 2)
    assert not straight(premultiplied(rgb, torch.zeros(1, 1, 2, 2)), torch.zeros(1, 1, 2, 2)).any()


def test_levels_on_a_device_are_the_same_floats_bit_for_bit() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    assert torch.equal(rgb_from_levels(torch.from_numpy(levels)), rgb_from_u8(levels))
