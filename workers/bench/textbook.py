"""The generator's two costly operations as the papers write them: what ours are measured
against."""

from __future__ import annotations

import torch
import torch.nn.functional as F


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
    up_filter: torch.Tensor | None,
    down_filter: torch.Tensor | None,
    bias: torch.Tensor,
    up: int,
    down: int,
    padding: tuple[int, int, int, int],
    gain: float,
    slope: float,
    clamp: float | None,
    scale: None = None,
    rescale: None = None,
) -> torch.Tensor:
    """Zero insertion, padding, depthwise convolutions along each axis, activation (arXiv
    2106.12423, section 3.2)."""

    def convolve(x: torch.Tensor, taps: torch.Tensor | None) -> torch.Tensor:
        if taps is None:
            return x
        kernel = taps.flip(0).to(x.dtype).repeat(x.shape[1], 1, 1, 1)
        return F.conv2d(F.conv2d(x, kernel, groups=x.shape[1]), kernel.mT, groups=x.shape[1])

    n, c, h, w = x.shape
    x = x + bias[:, None, None]
    if up > 1:
        x = F.pad(x.view(n, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1)).reshape(
            n, c, h * up, w * up
        )
    x = convolve(F.pad(x, padding), None if up_filter is None else up_filter * up)
    x = F.leaky_relu(x, slope) * gain
    x = x if clamp is None else x.clamp(-clamp, clamp)
    return convolve(x, down_filter)[:, :, ::down, ::down]
