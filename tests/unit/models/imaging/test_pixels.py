"""The one rule of rounding, for arrays and for tensors: stored values survive, halves go up."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.imaging.compositing import over
from models.imaging.pixels import nearest_u8, nearest_u16, to_u8, to_u16, to_unit, u8_from_u16
from models.imaging.tensors import (
    pm1_to_u8,
    quantised_alpha,
    quantised_rgb,
    rgb_from_levels,
    rgb_from_u8,
    split_rgba,
    to_pm1,
)


def test_every_rgb_value_round_trips() -> None:
    rgb = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    rgb[..., 1] = 255 - rgb[..., 1]
    floats = rgb_from_u8(rgb)
    assert (floats.dtype, floats.shape) == (torch.float32, (1, 3, 16, 16))
    assert (floats.min().item(), floats.max().item()) == (-1, 1)
    assert np.array_equal(quantised_rgb(floats).numpy(), rgb)


@pytest.mark.parametrize(("dtype", "levels"), [(np.uint8, 256), (np.uint16, 65536)])
def test_every_stored_value_round_trips(dtype: type, levels: int) -> None:
    pixels = np.arange(levels).astype(dtype).reshape(1, 16, -1)
    unit = to_unit(pixels)
    assert (unit.dtype, unit.min(), unit.max()) == (np.float32, 0, 1)
    back = to_u8(unit) if dtype is np.uint8 else to_u16(unit)
    assert back.dtype == dtype
    assert np.array_equal(back, pixels)
    bits = 8 * back.dtype.itemsize
    assert np.array_equal(quantised_alpha(torch.from_numpy(unit)[:, None], bits).numpy(), pixels)


def test_every_value_round_trips_through_the_generator_range() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(pm1_to_u8(to_pm1(levels)), levels)


def test_channels_and_axes_keep_their_places() -> None:
    rgb = torch.full((2, 3, 4, 5), -1.0)
    rgb[1, 2, 3, 0] = 1
    pixels = quantised_rgb(rgb)
    assert pixels.shape == (2, 4, 5, 3)
    assert np.argwhere(pixels.numpy()).tolist() == [[1, 3, 0, 2]]
    assert pixels.is_contiguous()
    assert torch.equal(rgb_from_levels(pixels), rgb)


HALVES = np.arange(255, dtype=np.float64) + 0.5


def test_halves_are_rounded_up_by_every_conversion() -> None:
    up = list(range(1, 256))
    assert nearest_u8(HALVES).tolist() == up
    assert nearest_u8(HALVES.astype(np.float32)).tolist() == up
    assert nearest_u16(HALVES).tolist() == up
    half = np.array([0.5])
    assert (to_u8(half).item(), to_u16(half).item()) == (128, 32768)
    alpha = torch.full((1, 1, 1, 1), 0.5)
    assert [quantised_alpha(alpha, bits).item() for bits in (8, 16)] == [128, 32768]
    assert quantised_rgb(torch.zeros(1, 3, 1, 1)).flatten().tolist() == [128] * 3


def test_arrays_and_tensors_are_rounded_alike() -> None:
    rng = np.random.default_rng(0)
    unit = np.concatenate([rng.random(20_000), HALVES / 255]).astype(np.float32)
    alpha = torch.from_numpy(unit)[None, None, None]
    assert np.array_equal(quantised_alpha(alpha, 8).numpy().ravel(), to_u8(unit))
    assert np.array_equal(quantised_alpha(alpha, 16).numpy().ravel(), to_u16(unit))


def test_the_nearest_value_is_taken() -> None:
    steps, expected = np.array([0.49, 0.51, 1.49, 1.51, 254.49, 254.51]), [0, 1, 1, 2, 254, 255]
    assert to_u8(steps / 255).tolist() == nearest_u8(steps).tolist() == expected
    assert to_u16(steps / 65535).tolist() == expected
    assert pm1_to_u8(torch.from_numpy(steps / 255 * 2 - 1)).tolist() == expected


def test_sixteen_bits_become_the_nearest_of_eight() -> None:
    deep = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(u8_from_u16(deep), np.rint(deep / 257))


def test_values_out_of_range_are_clamped() -> None:
    wild = np.array([-1e9, -1.01, 1.01, 1e9])
    assert to_u8(wild).tolist() == [0, 0, 255, 255]
    assert to_u16(wild).tolist() == [0, 0, 65535, 65535]
    assert pm1_to_u8(torch.from_numpy(wild)).tolist() == [0, 0, 255, 255]
    rgb, alpha = split_rgba(torch.from_numpy(wild).reshape(1, 1, 1, 4).repeat(1, 4, 1, 1))
    assert (rgb.min(), rgb.max(), alpha.min(), alpha.max()) == (-1, 1, 0, 1)


def test_split_needs_four_channels() -> None:
    with pytest.raises(ValueError, match="4 channels, not 3"):
        split_rgba(torch.zeros(1, 3, 2, 2))


def test_other_pixel_types_are_refused() -> None:
    with pytest.raises(ValueError, match="not float64"):
        to_unit(np.zeros((1, 2, 2, 3)))  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32), st.floats(0, 1, width=32))
def test_a_composite_lies_between_its_parts(colour: float, behind: float, alpha: float) -> None:
    mixed = over(np.float64(colour), np.float64(alpha), np.float64(behind))
    assert min(colour, behind) - 1e-9 <= mixed <= max(colour, behind) + 1e-9


def test_a_composite_is_exact_where_alpha_is_0_or_1() -> None:
    colour, behind = np.random.default_rng(0).random((2, 8, 8, 3))
    assert np.array_equal(over(colour, np.ones((8, 8, 1)), behind), colour)
    assert np.array_equal(over(colour, np.zeros((8, 8, 1)), behind), behind)
