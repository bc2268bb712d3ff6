"""Exponential moving averages of a network's weights over training."""

import torch
from torch import nn


@torch.no_grad()
def update_ema(averaged: nn.Module, source: nn.Module, beta: float) -> None:
    """Parameters move towards the source's by 1 - beta, buffers are copied."""
    for mean, current in zip(averaged.parameters(), source.parameters(), strict=True):
        mean.lerp_(current, 1 - beta)
    for kept, buffer in zip(averaged.buffers(), source.buffers(), strict=True):
        kept.copy_(buffer)


def ema_beta(images: int, batch: int, half_life: float, rampup: float) -> float:
    """Decay of one step of `batch` images; the half-life, in images, is at most `rampup` times what
    was seen so far."""
    return float(0.5 ** (batch / max(min(half_life, rampup * images), 1e-3)))
