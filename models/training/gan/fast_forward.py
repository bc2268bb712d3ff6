"""The generator's forward for training on a GPU: the same function with fewer, larger kernels.

Layers of one shape have their weights and styles prepared together, activations stay channels-last,
and the filters are products with banded matrices. In bfloat16 nothing overflows, so no loss is
scaled; the clamp at 256 is left out, which no activation of a trained network reaches.
"""

import math
from itertools import groupby
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.kernels.resample import band, resample
from models.networks.stylegan3 import Generator
from models.networks.stylegan3.synthesis import SynthesisLayer

SQRT2 = math.sqrt(2)


class _Prepared(NamedTuple):
    """What a layer's big operations need: scales [n, in], [n, out], weight, bias [out]."""

    scale: Tensor
    weight: Tensor
    demodulation: Tensor
    bias: Tensor


def generate(
    generator: Generator, z: Tensor, dtype: torch.dtype, update_emas: bool = False
) -> Tensor:
    """z: [n, z_dim] -> float32 [n, channels, h, w], as `generator(z)`, its layers in dtype.

    update_emas: magnitudes and w_avg follow, the magnitudes after they are used. Raises ValueError
    for a generator with radial filters.
    """
    if generator.config.use_radial_filters:
        raise ValueError("radial filters are not separable: use the generator's own forward")
    w = generator.mapping(z, update_emas=update_emas)[:, 0]
    *layers, to_rgb = generator.synthesis.layers()
    *styles, last = _styles([*layers, to_rgb], w)
    x = generator.synthesis.input(w).to(dtype).contiguous(memory_format=torch.channels_last)
    powers = []
    for layer, ready in zip(layers, _prepare(layers, styles, dtype), strict=True):
        powers.append(_power(x))
        x = _layer(layer, ready, x)
    powers.append(_power(x))
    scale = last * (to_rgb.magnitude_ema.rsqrt() / math.sqrt(to_rgb.spec.in_channels))
    weights = (to_rgb.weight[:, :, 0, 0] * scale[:, None]).to(dtype)  # [n, 4, in]
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
    image = torch.bmm(pixels, weights.transpose(1, 2)).float() + to_rgb.bias
    if update_emas:
        _follow([*layers, to_rgb], powers)
    image = image.view(*x.shape[:1], *x.shape[2:], -1).permute(0, 3, 1, 2)
    return image * generator.synthesis.output_scale


def _styles(layers: list[SynthesisLayer], w: Tensor) -> tuple[Tensor, ...]:
    """w: [n, w_dim] -> the styles of each layer, [n, in], by one product."""
    weights = torch.cat([layer.affine.weight for layer in layers]) * layers[0].affine.weight_gain
    biases = torch.cat([layer.affine.bias for layer in layers])
    return F.linear(w, weights, biases).split([layer.spec.in_channels for layer in layers], 1)


def _prepare(
    layers: list[SynthesisLayer], styles: list[Tensor], dtype: torch.dtype
) -> list[_Prepared]:
    """Arranges modulation and demodulation, for neighbours of one shape together (see
    `modulated_conv`)."""
    prepared: list[_Prepared] = []
    pairs = zip(layers, styles, strict=True)
    for _, group in groupby(pairs, key=lambda pair: pair[0].weight.shape):
        own, parts = zip(*group, strict=True)
        gains = torch.stack([layer.magnitude_ema for layer in own]).rsqrt()[:, None, None]
        style = torch.stack(parts)  # [layers, n, in]
        style = style * style.square().mean((1, 2), keepdim=True).rsqrt()
        weight = torch.stack([layer.weight for layer in own])
        weight = weight * weight.square().mean((2, 3, 4), keepdim=True).rsqrt()
        power = weight.square().sum((3, 4)).transpose(1, 2)
        demodulation = (torch.bmm(style.square(), power) + 1e-8).rsqrt() * SQRT2
        bias = torch.stack([layer.bias for layer in own]) * SQRT2
        last = weight.permute(0, 1, 3, 4, 2).to(dtype).contiguous().permute(0, 1, 4, 2, 3)
        ready = ((style * gains).to(dtype), last, demodulation.to(dtype), bias.to(dtype))
        prepared += [_Prepared(*of) for of in zip(*(p.unbind(0) for p in ready), strict=True)]
    return prepared


def _layer(layer: SynthesisLayer, ready: _Prepared, x: Tensor) -> Tensor:
    """Modulated convolution, bias, upsampling, leaky relu, downsampling; channels-last."""
    spec, padding = layer.spec, layer.spec.conv_padding
    x = x * ready.scale[:, :, None, None]
    if padding < 0:
        x, padding = x[:, :, -padding:padding, -padding:padding], 0
    x = F.conv2d(x, ready.weight, padding=padding)
    x = torch.addcmul(ready.bias[None, :, None, None], x, ready.demodulation[:, :, None, None])
    low, high = (side + spec.unread * spec.up for side in spec.padding[:2])
    if spec.up > 1 or layer.up_filter is not None or low or high:
        up = band(layer.up_filter, x.shape[-1], up=spec.up, padding=(low, high), like=x)
        x = resample(x, up, up)
    x = F.leaky_relu(x, 0.2)
    if spec.down > 1 or layer.down_filter is not None:
        down = band(layer.down_filter, x.shape[-1], down=spec.down, like=x)
        x = resample(x, down, down)
    return x


def _power(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x.detach(), dtype=torch.float32) / math.sqrt(x.numel())


@torch.no_grad()
def _follow(layers: list[SynthesisLayer], roots: list[Tensor]) -> None:
    """Moves the layers' magnitudes towards the mean squares whose roots are given."""
    kept = [layer.magnitude_ema for layer in layers]
    now = torch.stack(roots).square().lerp(torch.stack(kept), layers[0].magnitude_ema_beta)
    torch._foreach_copy_(kept, list(now.unbind(0)))
