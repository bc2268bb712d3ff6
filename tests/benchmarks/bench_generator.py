"""Times the generator on one CPU core: textbook operations, torch, the fused kernel, and its convolutions alone.

The variants take turns within one process and the least processor time of each counts, so that ratios hold on a busy
machine. Prints a table, then the same as JSON. Set glibc's allocator as the Makefile does, or page faults dominate.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F

from models.generator import Generator, build_generator, fused, ops, synthesis

_SMALL_LATENT = {"z_dim": 64, "w_dim": 64, "img_channels": 4}
_PRESETS: dict[str, dict[str, Any]] = {
    "t64": {"img_resolution": 64, "channel_base": 2048, "channel_max": 64},
    "t128": {"img_resolution": 128, "channel_base": 4096, "channel_max": 128},
    "t256": {"img_resolution": 256, "channel_base": 16384, "channel_max": 256},
    "reduced64": {
        "img_resolution": 64,
        "channel_base": 1024,
        "channel_max": 128,
        "num_layers": 6,
        "num_critical": 2,
        "margin_size": 4,
        "first_stopband": 4.0,
    },
}


def textbook_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    styles: torch.Tensor,
    demodulate: bool = True,
    padding: int = 0,
    input_gain: torch.Tensor | None = None,
) -> torch.Tensor:
    """One grouped convolution with a modulated weight for each sample (arXiv 1912.04958, section 2.2)."""
    n, _, h, w = x.shape
    if demodulate:
        weight = weight * weight.square().mean([1, 2, 3], keepdim=True).rsqrt()
        styles = styles * styles.square().mean().rsqrt()
    weights = weight * styles[:, None, :, None, None]  # [n, o, i, k, k]
    if demodulate:
        weights = weights * (weights.square().sum([2, 3, 4], keepdim=True) + 1e-8).rsqrt()
    if input_gain is not None:
        weights = weights * input_gain
    y = F.conv2d(x.reshape(1, -1, h, w), weights.flatten(0, 1), padding=padding, groups=n)
    return y.view(n, -1, *y.shape[2:])


def textbook_filtered_lrelu(
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
) -> torch.Tensor:
    """Zero insertion, padding, depthwise convolutions along each axis, activation (arXiv 2106.12423, section 3.2)."""

    def convolve(x: torch.Tensor, taps: torch.Tensor | None) -> torch.Tensor:
        if taps is None:
            return x
        kernel = taps.flip(0).repeat(x.shape[1], 1, 1, 1)
        return F.conv2d(F.conv2d(x, kernel, groups=x.shape[1]), kernel.mT, groups=x.shape[1])

    n, c, h, w = x.shape
    x = x + bias[:, None, None]
    if up > 1:
        x = F.pad(x.view(n, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1)).reshape(n, c, h * up, w * up)
    x = convolve(F.pad(x, padding), None if up_filter is None else up_filter * up)
    x = F.leaky_relu(x, slope) * gain
    x = x if clamp is None else x.clamp(-clamp, clamp)
    return convolve(x, down_filter)[:, :, ::down, ::down]


_VARIANTS: dict[str, tuple[Callable[..., torch.Tensor], Callable[..., torch.Tensor]]] = {
    "textbook": (textbook_conv, textbook_filtered_lrelu),
    "torch": (ops.modulated_conv, ops.filtered_lrelu_torch),
    "fused": (ops.modulated_conv, fused.filtered_lrelu),
}


def least_seconds(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The least processor time of each run over `rounds` rounds in which they take turns, after a first call."""
    seconds = {name: float("inf") for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.process_time()
            run()
            seconds[name] = min(seconds[name], time.process_time() - start)
    return seconds


def measure(preset: str, batch: int, rounds: int, training: bool) -> dict[str, float]:
    """Seconds per batch of a forward, or of a forward and backward, for each variant and the convolutions alone."""
    generator = build_generator(_SMALL_LATENT | _PRESETS[preset])
    z = torch.randn(batch, generator.config.z_dim)

    def runner(conv: Callable[..., torch.Tensor], filtered: Callable[..., torch.Tensor]) -> Callable[[], object]:
        def run() -> None:
            patches = {"modulated_conv": conv, "filtered_lrelu": filtered}
            with mock.patch.multiple(synthesis, **patches), torch.set_grad_enabled(training):
                image = generator(z)
                if training:
                    image.square().mean().backward()

        return run

    runs = {name: runner(*functions) for name, functions in _VARIANTS.items()}
    return least_seconds({**runs, "convolutions": _convolutions(generator, batch, training)}, rounds)


def _convolutions(generator: Generator, batch: int, training: bool) -> Callable[[], object]:
    layers = generator.synthesis.layers()
    inputs = [torch.randn(batch, s.in_channels, s.in_size, s.in_size) for s in (layer.spec for layer in layers)]

    def run() -> None:
        for layer, x in zip(layers, inputs, strict=True):
            with torch.set_grad_enabled(training):
                y = F.conv2d(x.requires_grad_(training), layer.weight, padding=layer.spec.kernel - 1)
                if training:
                    torch.autograd.grad(y, (x, layer.weight), y.detach())

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", choices=_PRESETS, default=["t64", "reduced64"])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    results = []
    print(
        f"{'':22}" + "".join(f"{name:>14}" for name in (*_VARIANTS, "convolutions")) + "   textbook/fused  fused/conv"
    )
    for preset in options.presets:
        for training in (False, True):
            seconds = measure(preset, options.batch, options.rounds, training)
            speedup, overhead = seconds["textbook"] / seconds["fused"], seconds["fused"] / seconds["convolutions"]
            mode = "forward+backward" if training else "forward"
            results.append({"preset": preset, "mode": mode, "seconds": seconds, "textbook/fused": speedup})
            times = "".join(f"{value:13.3f}s" for value in seconds.values())
            print(f"{preset + ' ' + mode:22}{times}{speedup:16.2f}{overhead:12.2f}", flush=True)
    print(json.dumps({"torch": torch.__version__, "batch": options.batch, "results": results}))


if __name__ == "__main__":
    main()
