"""Two layers of a mapping network that tell a group by the signs of z's first numbers.

A mapping network that has learnt an embedding for each group takes [one-hot, code]. To draw a group
from a normal z, the signs of the first numbers choose it: n signs divide the space into 2^n
orthants. Leaky relus can tell signs exactly but for a narrow zone around 0, so these two layers are
set, not learnt; the layers that were learnt follow them. A pair of units is a step, and an orthant
is where all steps agree.
"""

import math

import torch
from torch import Tensor

from models.networks.stylegan3.mapping import FullyConnected, MappingNetwork

SLOPE = 0.2  # of the leaky relu
GAIN = math.sqrt(2)  # of the activation
STEEPNESS = 50.0  # a step is 2 / STEEPNESS wide: with four signs one z of sixteen meets one
OFFSET = 8.0  # keeps a code's numbers where the leaky relu is linear
LAYERS = 2


def bits_for(groups: int) -> int:
    """Signs that tell so many groups apart."""
    return max(math.ceil(math.log2(groups)), 1)


def tell_groups(learnt: MappingNetwork, mapping: MappingNetwork, groups: int) -> None:
    """Sets `mapping`, two layers longer, so that z = [signs, unused, code] gives what `learnt`
    gives for [one-hot, code]; orthant o is of group o modulo `groups`.

    Raises ValueError when the layers are too narrow for it.
    """
    bits, codes = bits_for(groups), learnt.z_dim - groups
    width = 2**bits + bits + codes
    first, second, third, *rest = (layer_of(mapping, i) for i in range(mapping.num_layers))
    if width > first.weight.shape[0]:
        room = first.weight.shape[0]
        raise ValueError(f"{groups} groups need layers of {width} numbers, these have {room}")
    _set(first, *_steps(bits, groups, codes))
    _set(second, *_orthants(bits, codes))
    _set(third, *_after(layer_of(learnt, 0), bits, groups, codes))
    for own, layer in zip(rest, range(1, learnt.num_layers), strict=True):
        own.load_state_dict(layer_of(learnt, layer).state_dict())


def layer_of(mapping: MappingNetwork, index: int) -> FullyConnected:
    layer = mapping.get_submodule(f"fc{index}")
    assert isinstance(layer, FullyConnected)
    return layer


def _patterns(bits: int) -> Tensor:
    numbers = torch.arange(2**bits)[:, None] >> torch.arange(bits)
    return (numbers % 2).float() * 2 - 1


def _steps(bits: int, groups: int, codes: int) -> tuple[Tensor, Tensor]:
    weight = torch.zeros(2 * bits + codes, groups + codes)
    bias = torch.full((2 * bits + codes,), OFFSET)
    for bit in range(bits):
        weight[2 * bit : 2 * bit + 2, bit] = STEEPNESS
        bias[2 * bit], bias[2 * bit + 1] = 1.0, -1.0
    weight[2 * bits :, groups:] = torch.eye(codes)
    return weight, bias


def _orthants(bits: int, codes: int) -> tuple[Tensor, Tensor]:
    """What follows the steps: each orthant's sum of agreeing signs, the signs, the codes.

    A pair of steps differs by 2 SLOPE below 0 and by 2 above it, times GAIN.
    """
    orthants = 2**bits
    weight = torch.zeros(orthants + bits + codes, 2 * bits + codes)
    matrix = torch.cat([_patterns(bits), torch.eye(bits)])
    signs = slice(orthants + bits)
    weight[signs, 0 : 2 * bits : 2] = matrix / GAIN / (1 - SLOPE)
    weight[signs, 1 : 2 * bits : 2] = -matrix / GAIN / (1 - SLOPE)
    weight[-codes:, -codes:] = torch.eye(codes) / GAIN
    bias = torch.zeros(len(weight))
    bias[signs] = -matrix.sum(1) * (1 + SLOPE) / (1 - SLOPE)
    bias[:orthants] += 1 - bits
    bias[orthants : orthants + bits] += OFFSET
    return weight, bias


def _after(first: FullyConnected, bits: int, groups: int, codes: int) -> tuple[Tensor, Tensor]:
    """The layer that was learnt first, of what the second of the two gives.

    Where all signs agree an orthant's sum h is 1, elsewhere below 0: so leaky(h) - SLOPE h is
    1 - SLOPE there, and 0 elsewhere.
    """
    orthants = 2**bits
    to_orthant = torch.zeros(orthants, orthants + bits + codes)
    pattern = _patterns(bits)
    to_orthant[:, :orthants] = torch.eye(orthants) / GAIN
    to_orthant[:, orthants : orthants + bits] = -SLOPE * pattern / GAIN
    offset = SLOPE * OFFSET * pattern.sum(1) - SLOPE * (1 - bits)
    to_group = torch.eye(groups)[torch.arange(orthants) % groups].t() / (1 - SLOPE)
    to_z = torch.zeros(groups + codes, orthants + bits + codes)
    to_z[:groups] = to_group @ to_orthant * groups**0.5
    to_z[groups:, -codes:] = torch.eye(codes) / GAIN
    constant = torch.full((groups + codes,), -OFFSET)
    constant[:groups] = to_group @ offset * groups**0.5
    weight, bias = first.weight * first.weight_gain, first.bias * first.bias_gain
    return weight @ to_z, bias + weight @ constant


@torch.no_grad()
def _set(layer: FullyConnected, weight: Tensor, bias: Tensor) -> None:
    """Sets a layer's first rows and columns; the others are 0."""
    layer.weight.zero_()
    layer.bias.zero_()
    rows, columns = weight.shape
    layer.weight[:rows, :columns] = weight / layer.weight_gain
    layer.bias[:rows] = bias / layer.bias_gain
