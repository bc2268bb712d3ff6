import pytest
import torch

from models.networks.stylegan3 import Generator, build_generator
from models.training.gan.fast_forward import generate
from models.training.gan.presets import PRESETS


def generator(**changes: object) -> Generator:
    torch.manual_seed(0)
    narrow = {"z_dim": 8, "w_dim": 16, "channel_base": 512, "channel_max": 16}
    made = build_generator({**PRESETS["portrait-64"].generator, **narrow, **changes})
    for layer in made.synthesis.layers():
        layer.magnitude_ema.fill_(0.7)
    return made


@pytest.mark.parametrize("upsampling", [1, 2])
def test_images_and_gradients_are_the_generators_own(upsampling: int) -> None:
    network, z = generator(lrelu_upsampling=upsampling), torch.randn(3, 8)
    plain, fast = network(z), generate(network, z, torch.float32)
    torch.testing.assert_close(fast, plain, atol=2e-5, rtol=0)
    parameters = list(network.parameters())
    gradients = (torch.autograd.grad(x.square().mean(), parameters) for x in (plain, fast))
    for expected, actual in zip(*gradients, strict=True):
        assert (actual - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_gradients_in_bfloat16_are_neither_lost_nor_far_off() -> None:
    """Without a loss scale half precision loses nearly all of a pixel mean's gradients."""
    network, z = generator(), torch.randn(16, 8)
    parameters = [layer.weight for layer in network.synthesis.layers()]
    exact, rough = (
        torch.autograd.grad(generate(network, z, dtype).square().mean() / 1e3, parameters)
        for dtype in (torch.float32, torch.bfloat16)
    )
    for expected, actual in zip(exact, rough, strict=True):
        assert (actual == 0).float().mean() < 0.01
        assert (actual - expected).norm() / expected.norm() < 0.05


def test_magnitudes_follow_as_in_the_generators_own_forward() -> None:
    """Each layer's is measured with the old ones of the layers before it: the first is the same."""
    own, fast = generator(), generator()
    z = torch.randn(3, 8)
    own(z, update_emas=True)
    generate(fast, z, torch.float32, update_emas=True)
    first, second = (network.synthesis.layers()[0].magnitude_ema for network in (own, fast))
    torch.testing.assert_close(second, first)
    torch.testing.assert_close(fast.mapping.w_avg, own.mapping.w_avg)
    assert all(layer.magnitude_ema != 0.7 for layer in fast.synthesis.layers())


def test_radial_filters_are_refused() -> None:
    network = generator(use_radial_filters=True)
    with pytest.raises(ValueError, match="radial"):
        generate(network, torch.randn(1, 8), torch.float32)
