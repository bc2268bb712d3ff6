import pytest
import torch

from models.networks.discriminator import build_discriminator
from models.networks.stylegan3 import build_generator
from models.training.gan.presets import PRESETS, r1_gamma


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", list(PRESETS))
def test_both_networks_of_every_preset_can_be_built(name: str) -> None:
    preset = PRESETS[name]
    size, channels = preset.resolution // preset.unshuffle, 4 * preset.unshuffle**2
    with torch.device("meta"):
        generator = build_generator(preset.generator)
        discriminator = build_discriminator(
            {**preset.discriminator, "img_resolution": size, "img_channels": channels}
        )
    assert generator.config.img_channels == 4
    assert discriminator.config.img_resolution * preset.unshuffle == generator.config.img_resolution


def test_the_largest_generator_has_the_papers_size() -> None:
    """arXiv 2106.12423, figure 5: StyleGAN3-T at 1024 pixels has 22.3 million parameters."""
    with torch.device("meta"):
        assert parameters(build_generator(PRESETS["paper-1024"].generator)) == pytest.approx(
            22.3e6, rel=0.01
        )


def test_gamma_follows_pixels_and_batch() -> None:
    assert r1_gamma(1024, 32) == pytest.approx(6.5536)
    assert PRESETS["paper-512"].adversarial.gamma == pytest.approx(1.6384)
