"""The generator as a module: inputs, state, equivariance, precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from models import build_generator
from models.networks.stylegan3 import Generator

SMALL: dict[str, Any] = {
    "img_resolution": 32,
    "z_dim": 16,
    "w_dim": 12,
    "channel_base": 512,
    "channel_max": 16,
    "num_layers": 6,
    "margin_size": 4,
    "first_stopband": 4,
}


def small(**changes: Any) -> Generator:
    torch.manual_seed(0)
    return build_generator({**SMALL, **changes})


@pytest.mark.parametrize("channels", [3, 4])
def test_shapes(channels: int) -> None:
    generator, z = small(img_channels=channels), torch.randn(2, 16)
    assert not generator.training
    ws = generator.mapping(z)
    assert ws.shape == (2, 8, 12)
    image = generator(z)
    assert image.shape == (2, channels, 32, 32)
    assert image.dtype == torch.float32
    assert torch.equal(image, generator.synthesis(ws))


def test_condition_changes_the_image_and_defaults_to_zeros() -> None:
    generator, z = small(c_dim=3), torch.randn(2, 16)
    assert torch.equal(generator.mapping(z), generator.mapping(z, torch.zeros(2, 3)))
    assert not torch.allclose(generator.mapping(z), generator.mapping(z, torch.eye(3)[:2]))


def test_wrong_shapes_are_refused() -> None:
    generator = small(c_dim=3)
    with pytest.raises(ValueError, match=r"z must be \[n, 16\]"):
        generator(torch.randn(2, 15))
    with pytest.raises(ValueError, match=r"c must be \[2, 3\]"):
        generator(torch.randn(2, 16), torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"ws must be \[n, 8, 12\]"):
        generator.synthesis(torch.randn(2, 7, 12))
    with pytest.raises(ValueError, match="3x3"):
        generator.set_input_transform([[1.0, 0.0], [0.0, 1.0]])


def test_truncation_moves_towards_the_average() -> None:
    generator, z = small(), torch.randn(3, 16)
    generator.mapping.w_avg.copy_(torch.randn(12))
    full, average = generator.mapping(z), generator.mapping.w_avg
    torch.testing.assert_close(generator.mapping(z, truncation_psi=0), average.expand(3, 8, 12))
    torch.testing.assert_close(generator.mapping(z, truncation_psi=0.5), (full + average) / 2)
    partial = generator.mapping(z, truncation_psi=0, truncation_cutoff=2)
    torch.testing.assert_close(partial[:, :2], average.expand(3, 2, 12))
    assert torch.equal(partial[:, 2:], full[:, 2:])


def test_state_is_loaded_strictly() -> None:
    generator = small()
    state = generator.state_dict()
    with pytest.raises(RuntimeError, match="Missing"):
        generator.load_reference_state(
            {name: value for name, value in state.items() if name != "mapping.w_avg"}
        )
    with pytest.raises(RuntimeError, match="Unexpected"):
        generator.load_reference_state({**state, "extra": torch.zeros(1)})
    with pytest.raises(RuntimeError, match="size mismatch"):
        generator.load_reference_state({**state, "mapping.w_avg": torch.zeros(3)})


@torch.no_grad()
def test_a_translated_input_gives_a_translated_image() -> None:
    """The point of the architecture (2106.12423, section 2): whole-pixel shifts of the canvas shift
    the image."""
    generator, z = small(), torch.randn(2, 16)
    generator(z, update_emas=True)
    still = generator(z)
    generator.set_input_transform([[1.0, 0.0, 4 / 32], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    moved = generator(z)
    error = (moved[..., 4:-8] - still[..., 8:-4]).square().mean()
    unmoved = (moved[..., 4:-8] - still[..., 4:-8]).square().mean()
    assert error < 0.02 * unmoved


def test_magnitude_ema_beta() -> None:
    generator, z = small(), torch.randn(2, 16)
    generator.synthesis.set_magnitude_ema_beta(1.0)
    generator(z, update_emas=True)
    assert all(layer.magnitude_ema.item() == 1 for layer in generator.synthesis.layers())
    generator.synthesis.set_magnitude_ema_beta(0.0)
    generator(z, update_emas=True)
    assert all(layer.magnitude_ema.item() != 1 for layer in generator.synthesis.layers())


def test_emas_stay_without_being_asked_even_in_training() -> None:
    generator = small().train()
    before = {name: value.clone() for name, value in generator.named_buffers()}
    generator(torch.randn(2, 16)).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in generator.named_buffers())
    assert all(parameter.grad is not None for parameter in generator.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("resolution", [512, 1024])
@torch.no_grad()
def test_the_paper_s_sizes_run(resolution: int) -> None:
    """Config T with its 512 channels, in float32 on the CPU."""
    generator = build_generator({"img_resolution": resolution})
    image = generator(torch.randn(1, 512), truncation_psi=0.7)
    assert image.shape == (1, 4, resolution, resolution)
    assert image.isfinite().all()
    assert image.std() > 1e-3
