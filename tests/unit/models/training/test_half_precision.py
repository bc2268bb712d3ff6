"""What half precision does to gradients, emulated on the CPU: they are rounded between layers."""

from unittest import mock

import pytest
import torch

from models.kernels.device import half_dtype
from models.networks.discriminator import build_discriminator
from models.networks.stylegan3 import build_generator
from models.networks.stylegan3.synthesis import SynthesisLayer

GENERATOR = {
    "z_dim": 16, "w_dim": 16, "img_resolution": 32, "num_layers": 6, "margin_size": 4,
    "channel_base": 512, "channel_max": 32, "first_stopband": 4.0,
}  # fmt: skip
DISCRIMINATOR = {
    "img_resolution": 32, "img_channels": 4, "channel_base": 512, "channel_max": 32,
}  # fmt: skip
SMALLER = 64 * 128**2 / (4 * 32**2)  # a mean over a batch of 64 at 128 px, beside one of 4 at 32


def gradients(rounded: torch.dtype | None) -> tuple[torch.Tensor, float]:
    """The generator's gradient of a discriminator's loss, and the share of zeros among the entries
    that pass between layers."""
    torch.manual_seed(0)
    generator, critic = build_generator(GENERATOR), build_discriminator(DISCRIMINATOR)
    zeros, forward = list[float](), SynthesisLayer.forward

    def through(gradient: torch.Tensor) -> torch.Tensor:
        kept = gradient if rounded is None else gradient.to(rounded).float()
        zeros.append(float((kept == 0).float().mean()))
        return kept

    def layer(self: SynthesisLayer, *arguments: torch.Tensor, **options: bool) -> torch.Tensor:
        y = forward(self, *arguments, **options)
        y.register_hook(through)
        return y

    with mock.patch.object(SynthesisLayer, "forward", layer):
        image = generator(torch.randn(4, 16))
    image.register_hook(through)
    pixels = (image - 0.3).abs().mean() + 0.1 * critic(image).mean() / image[0].numel()
    (pixels / SMALLER).backward()
    flat = torch.cat([p.grad.flatten() for p in generator.synthesis.parameters()])
    return flat * SMALLER, max(zeros)


def test_what_trains_in_half_precision_keeps_its_gradients() -> None:
    assert half_dtype() is torch.bfloat16
    exact, _ = gradients(None)
    rounded, zeros = gradients(half_dtype())
    assert zeros < 0.01
    assert (rounded - exact).norm() < 0.02 * exact.norm()


def test_float16_without_a_loss_scale_would_lose_them() -> None:
    exact, _ = gradients(None)
    rounded, zeros = gradients(torch.float16)
    assert zeros > 0.5
    assert (rounded - exact).norm() > 0.1 * exact.norm()


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_samples_are_made_in_float16(guard) -> None:
    with guard():
        assert half_dtype() is torch.float16
