import pytest
import torch

from models.networks.stylegan3 import build_generator
from models.networks.stylegan3.config import GeneratorConfig, layer_schedule
from models.training.gan.critic import Critic, ReferenceCritic
from models.training.gan.presets import PRESETS, r1_gamma


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", list(PRESETS))
def test_both_networks_of_every_preset_can_be_built(name: str) -> None:
    preset = PRESETS[name]
    with torch.device("meta"):
        generator = build_generator(preset.generator)
        if preset.reference_discriminator:
            ReferenceCritic(preset.resolution, **preset.critic)
        else:
            Critic(preset.resolution, **preset.critic)
    assert generator.config.img_channels == 4


@pytest.mark.parametrize("name", ["portrait-64", "portrait-128", "portrait-256"])
def test_portraits_have_channels_that_tensor_cores_read(name: str) -> None:
    specs = layer_schedule(GeneratorConfig.from_dict(PRESETS[name].generator))
    assert all(spec.in_channels % 16 == 0 for spec in specs)
    assert specs[-1].in_channels >= 32


def test_the_largest_generator_has_the_papers_size() -> None:
    """arXiv 2106.12423, figure 5: StyleGAN3-T at 1024 pixels has 22.3 million parameters."""
    with torch.device("meta"):
        assert parameters(build_generator(PRESETS["paper-1024"].generator)) == pytest.approx(
            22.3e6, rel=0.01
        )


def test_gamma_follows_pixels_and_batch() -> None:
    assert r1_gamma(1024, 32) == pytest.approx(6.5536)
    assert PRESETS["paper-512"].adversarial.gamma == pytest.approx(1.6384)
