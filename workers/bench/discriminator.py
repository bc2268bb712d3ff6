"""A discriminator's step and its R1 penalty (arXiv 1801.04406), whose blur is derived twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

from models.networks import discriminator as module
from workers.bench.cases import Row, make_row
from workers.bench.timing import clock_of, ratio, take_turns

DISCRIMINATOR: dict[str, Any] = {
    "img_resolution": 128, "img_channels": 4, "channel_base": 4096, "channel_max": 256,
}  # fmt: skip


def depthwise(x: Tensor, kernel: Tensor, *, padding: int, stride: int = 1) -> Tensor:
    """The blur as a convolution on every device."""
    weight = kernel.to(x.dtype).expand(x.shape[1], 1, *kernel.shape)
    return F.conv2d(x, weight, stride=stride, padding=padding, groups=x.shape[1])


def measure_discriminator(*, device: str, batch: int, rounds: int) -> Row:
    """Forward and backward of logits, and of R1, with our blur and with a depthwise convolution."""
    network = module.build_discriminator(DISCRIMINATOR).train().to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(batch, 4, 128, 128, device=device)
    x = x.contiguous(memory_format=torch.channels_last)

    def step() -> None:
        network.zero_grad(set_to_none=True)
        F.softplus(network(x)).mean().backward()

    def penalty() -> None:
        network.zero_grad(set_to_none=True)
        images = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(network(images).sum(), images, create_graph=True)
        slope.square().sum((1, 2, 3)).mean().backward()

    def convolved(run: Callable[[], None]) -> Callable[[], None]:
        def once() -> None:
            with mock.patch.object(module, "blur", depthwise):
                run()

        return once

    runs = {
        "step by convolutions": convolved(step), "step": step,
        "R1 by convolutions": convolved(penalty), "R1": penalty,
    }  # fmt: skip
    seconds = take_turns(runs, rounds, clock_of(device))
    ratios = [
        ratio(seconds, "step by convolutions", "step"),
        ratio(seconds, "R1 by convolutions", "R1"),
        ratio(seconds, "R1", "step", more_is_better=False),
    ]
    rate = batch / min(seconds["step"])
    return make_row(f"discriminator, 128 px, batch {batch}", seconds, ratios, rate)
