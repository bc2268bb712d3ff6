"""The generator's two costly operations as the papers write them: what ours are measured
against."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from models.kernels.filtered_lrelu.filtering import Filtering


def modulated_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    styles: torch.Tensor,
    demodulate: bool = True,
    padding: int = 0,
    input_gain: torch.Tensor | None = None,
    norm: torch.Tensor | None = None,
    scaled: bool = False,
) -> tuple[torch.Tensor, None]:
    """One grouped convolution with a modulated weight for each sample (arXiv 1912.04958, section
    2.2)."""
    n, _, h, w = x.shape
    if demodulate:
        weight = weight * weight.square().mean([1, 2, 3], keepdim=True).rsqrt()
        styles = styles * (styles.square().mean().rsqrt() if norm is None else norm)
    weights = weight * styles[:, None, :, None, None]  # [n, o, i, k, k]
    if demodulate:
        weights = weights * (weights.square().sum([2, 3, 4], keepdim=True) + 1e-8).rsqrt()
    if input_gain is not None:
        weights = weights * input_gain
    y = F.conv2d(
        x.reshape(1, -1, h, w), weights.flatten(0, 1).to(x.dtype), padding=padding, groups=n
    )
    return y.view(n, -1, *y.shape[2:]), None


def filtered_lrelu(
    x: torch.Tensor,
    filtering: Filtering,
    bias: torch.Tensor | None = None,
    *,
    scale: torch.Tensor | None = None,
    rescale: None = None,
) -> torch.Tensor:
    """Zero insertion, padding, convolutions along each axis, activation (arXiv 2106.12423, section
    3.2)."""
    up_filter, down_filter, up, down, padding, gain, slope, clamp = filtering
    n, c, h, w = x.shape
    x = x if scale is None else x * scale[:, :, None, None]
    x = x if bias is None else x + bias[:, None, None]
    if up > 1:
        x = F.pad(x.view(n, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1)).reshape(
            n, c, h * up, w * up
        )
    x = _convolve(F.pad(x, padding), None if up_filter is None else up_filter * up)
    x = F.leaky_relu(x, slope) * gain
    x = x if clamp is None else x.clamp(-clamp, clamp)
    return _convolve(x, down_filter)[:, :, ::down, ::down]


def _convolve(x: torch.Tensor, taps: torch.Tensor | None) -> torch.Tensor:
    """Each plane with [k] along both axes, or with [k, k]."""
    if taps is None:
        return x
    channels = x.shape[1]
    kernel = taps.flip(*range(taps.ndim)).to(x)
    if taps.ndim == 2:
        return F.conv2d(x, kernel.repeat(channels, 1, 1, 1), groups=channels)
    across = kernel.repeat(channels, 1, 1, 1)
    return F.conv2d(F.conv2d(x, across, groups=channels), across.mT, groups=channels)
