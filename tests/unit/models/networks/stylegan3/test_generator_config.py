"""The generator's configuration, schedule and filters."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import signal

from models.networks.stylegan3 import GeneratorConfig, MappingConfig, layer_schedule
from models.networks.stylegan3.filters import design_lowpass


def test_round_trip_through_json() -> None:
    config = GeneratorConfig(
        img_resolution=128, mapping_kwargs=MappingConfig(num_layers=4), conv_clamp=None
    )
    assert GeneratorConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_defaults_are_the_paper_s_config_t() -> None:
    config = GeneratorConfig.from_dict({"img_resolution": 1024})
    assert (config.channel_base, config.channel_max, config.num_layers, config.num_critical) == (
        32768,
        512,
        14,
        2,
    )
    assert (config.first_cutoff, config.conv_kernel, config.use_radial_filters) == (2, 3, False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"resolution": 64}, "unknown GeneratorConfig keys: resolution"),
        ({"mapping_kwargs": {"depth": 2}}, "unknown MappingConfig keys: depth"),
        ({"mapping_kwargs": {"num_layers": 0}}, "num_layers"),
        ({"mapping_kwargs": {"lr_multiplier": 0}}, "lr_multiplier"),
        ({"img_resolution": 96}, "power of two"),
        ({"img_resolution": 16}, "power of two"),
        ({"img_resolution": 2048}, "power of two"),
        ({"img_channels": 1}, "img_channels"),
        ({"z_dim": 0}, "positive"),
        ({"c_dim": -1}, "negative"),
        ({"margin_size": -1}, "negative"),
        ({"num_critical": 14}, "num_critical"),
        ({"first_cutoff": 32}, "first_cutoff"),
        ({"first_stopband": 2}, "first_stopband"),
        ({"last_stopband_rel": 1}, "last_stopband_rel"),
        ({"conv_kernel": 2}, "conv_kernel"),
        ({"filter_size": 0}, "filter_size"),
        ({"lrelu_upsampling": 3}, "lrelu_upsampling"),
        ({"conv_clamp": 0}, "conv_clamp"),
        ({"magnitude_ema_beta": 1.5}, "magnitude_ema_beta"),
    ],
)
def test_refuses(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GeneratorConfig.from_dict({"img_resolution": 64, **values})


@pytest.mark.parametrize("resolution", [32, 64, 128, 256, 512, 1024])
@pytest.mark.parametrize(("layers", "margin"), [(14, 10), (6, 4)])
def test_schedule_is_consistent(resolution: int, layers: int, margin: int) -> None:
    config = GeneratorConfig(
        img_resolution=resolution, num_layers=layers, margin_size=margin, first_stopband=4
    )
    schedule = layer_schedule(config)
    assert len(schedule) == layers + 1
    assert [spec.to_rgb for spec in schedule] == [False] * layers + [True]
    assert (schedule[-1].out_size, schedule[-1].out_channels) == (resolution, 4)
    assert schedule[-1].name == f"L{layers}_{resolution}_4"
    for spec in schedule:
        assert spec.tmp_rate == spec.in_rate * spec.up == spec.out_rate * spec.down
        upsampled = (
            (spec.in_size + spec.kernel - 1) * spec.up + sum(spec.padding[:2]) - spec.up_taps + 1
        )
        assert (upsampled - spec.down_taps) // spec.down + 1 == spec.out_size
        assert math.log2(spec.out_rate).is_integer()
        assert spec.padding[0] + spec.unread * spec.up < spec.up or spec.unread == 0
    for before, after in pairwise(schedule):
        assert (before.out_size, before.out_rate, before.out_channels) == (
            after.in_size,
            after.in_rate,
            after.in_channels,
        )
        assert before.out_cutoff == after.in_cutoff


def test_the_highest_resolutions_are_in_half_precision() -> None:
    rates = {
        spec.out_rate: spec.half_precision
        for spec in layer_schedule(GeneratorConfig.from_dict({"img_resolution": 1024}))
    }
    assert [rate for rate, half in rates.items() if half] == [128, 256, 512, 1024]


@pytest.mark.parametrize("radial", [False, True])
def test_filter_passes_low_and_stops_high_frequencies(radial: bool) -> None:
    taps = design_lowpass(24, cutoff=4.0, half_width=4.0, rate=64.0, radial=radial)
    assert taps.shape == ((24, 24) if radial else (24,))
    assert taps.sum().item() == pytest.approx(1, abs=1e-6)
    line = taps.sum(0).numpy() if radial else taps.numpy()
    np.testing.assert_allclose(line, line[::-1], atol=1e-7)
    position = (np.arange(24) - 11.5) / 64

    def response(frequency: float) -> float:
        return abs(float(np.sum(line * np.cos(2 * np.pi * frequency * position))))

    assert response(1.0) > 0.85
    assert response(4.0) == pytest.approx(0.5, abs=0.1)
    assert max(response(f) for f in np.linspace(9, 32, 50)) < 0.06


def test_a_radial_filter_is_the_same_along_both_axes() -> None:
    taps = design_lowpass(12, 4.0, 4.0, 32.0, radial=True)
    assert torch.equal(taps, taps.t())
    assert torch.linalg.matrix_rank(taps.double(), rtol=1e-3) > 1


@pytest.mark.parametrize("half_width", [0.4, 4.0, 12.0])
@pytest.mark.parametrize("taps", [2, 6, 12, 24, 25])
def test_a_filter_is_scipys_to_the_bit(taps: int, half_width: float) -> None:
    theirs = signal.firwin(taps, 4.0, width=2 * half_width, fs=64.0)
    ours = design_lowpass(taps, cutoff=4.0, half_width=half_width, rate=64.0)
    assert torch.equal(ours, torch.as_tensor(theirs, dtype=torch.float32))
