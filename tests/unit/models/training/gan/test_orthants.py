import pytest
import torch

from models.networks.stylegan3.config import GeneratorConfig, MappingConfig
from models.networks.stylegan3.mapping import MappingNetwork
from models.training.gan.orthants import LAYERS, bits_for, tell_groups

Z_DIM = 24


def _mapping(layers: int, width: int = 48) -> MappingNetwork:
    kwargs = MappingConfig(num_layers=layers, lr_multiplier=0.05)
    config = GeneratorConfig(
        img_resolution=32, z_dim=Z_DIM, w_dim=width, mapping_kwargs=kwargs, first_cutoff=2.0
    )
    mapping = MappingNetwork(config)
    for layer in mapping.children():
        torch.nn.init.normal_(layer.get_parameter("bias"))
    return mapping.requires_grad_(False)


@pytest.mark.parametrize("groups", [2, 3, 8, 15])
def test_signs_choose_the_group_that_was_learnt(groups: int) -> None:
    """For nearly every normal z it gives what was learnt for [one-hot, code] of the same length."""
    torch.manual_seed(groups)
    learnt, mapping = _mapping(2), _mapping(2 + LAYERS)
    tell_groups(learnt, mapping, groups)
    z = torch.randn(2000, Z_DIM)
    bits = bits_for(groups)
    orthant = ((z[:, :bits] > 0) * 2 ** torch.arange(bits)).sum(1)
    group = torch.nn.functional.one_hot(orthant % groups, groups).float()
    scaled = z * z.square().mean(1, keepdim=True).rsqrt()  # as the network does
    wanted = learnt(torch.cat([group * groups**0.5, scaled[:, groups:]], 1))[:, 0]
    error = (mapping(z)[:, 0] - wanted).square().mean(1)
    other = (wanted.roll(1, 0) - wanted).square().mean(1)
    between = (z[:, :bits].abs() < 0.1).any(1)
    assert error[~between].median() < 0.02 * other.median()


def test_each_group_is_drawn() -> None:
    torch.manual_seed(0)
    learnt, mapping = _mapping(2), _mapping(2 + LAYERS)
    tell_groups(learnt, mapping, 3)
    signs = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1]])
    z = torch.cat([signs * 2, torch.zeros(4, Z_DIM - 2)], 1)
    w = mapping(z)[:, 0]
    assert torch.allclose(w[0], w[3], atol=1e-3)  # the fourth orthant is the first group's
    assert (w[0] - w[1]).norm() > 0.1
    assert (w[1] - w[2]).norm() > 0.1


def test_layers_too_narrow_are_refused() -> None:
    with pytest.raises(ValueError, match="8 groups need layers of 27 numbers, these have 24"):
        tell_groups(_mapping(2, 24), _mapping(4, 24), 8)
