"""What `matteforge bench` measures: StyleMatteGAN's generator, StyleMatte, and both at work in the
engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F

from core.datasets.plan import Plan, make_plan
from matteforge.schemas.orders import DatasetSpec
from models.kernels.device import half_dtype
from models.networks.stylegan3 import Generator, build_generator, synthesis
from models.networks.stylegan3.config import LayerSpec
from models.networks.stylematte import StyleMatte, deformable_attention, preset
from workers.bench import on_cuda, textbook
from workers.bench.timing import Ratio, Seconds, clock_of, median_ms, ratio, take_turns
from workers.generate.generated_sampler import GeneratedSampler

_SMALL_LATENT = {"z_dim": 64, "w_dim": 64, "img_channels": 4}
GENERATORS: dict[str, dict[str, Any]] = {
    "t64": {**_SMALL_LATENT, "img_resolution": 64, "channel_base": 2048, "channel_max": 64},
    "t128": {**_SMALL_LATENT, "img_resolution": 128, "channel_base": 4096, "channel_max": 128},
    "t256": {**_SMALL_LATENT, "img_resolution": 256, "channel_base": 16384, "channel_max": 256},
    "embedded-64": {
        **_SMALL_LATENT,
        "img_resolution": 64,
        "channel_base": 1024,
        "channel_max": 128,
        "num_layers": 6,
        "num_critical": 2,
        "margin_size": 4,
        "first_stopband": 4.0,
    },
    "paper-512": {"img_resolution": 512},
    "paper-1024": {"img_resolution": 1024},
}
TEXTBOOK: dict[str, Any] = {
    "modulated_conv": textbook.modulated_conv,
    "filtered_lrelu": textbook.filtered_lrelu,
    "filtered_lrelu_torch": textbook.filtered_lrelu,
}
FORWARD_TARGETS = {"t64": 3.5, "t128": 3.5, "t256": 2.3}
TRAINING_TARGETS = {"t64": 2.5}
STYLEMATTES = {
    "tiny-128": ("tiny", 128, 8),
    "swin-t-512": ("swin-t", 512, 1),
}  # preset, side, batch
CASES = (*GENERATORS, *STYLEMATTES, "discriminator", "threads", "engine")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One case: median milliseconds of each variant and what follows from them."""

    case: str
    ms: dict[str, float]
    ratios: tuple[Ratio, ...]
    images_a_second: float | None = None


def measure_generator(name: str, *, device: str, batch: int, rounds: int, training: bool) -> Row:
    """A forward, or a forward and backward, by each variant, and the layers' convolutions alone."""
    generator = build_generator(GENERATORS[name]).to(device)
    z = torch.randn(batch, generator.config.z_dim, device=device)

    def forward() -> None:
        with torch.set_grad_enabled(training):
            image = generator(z)
            if training:
                image.square().mean().backward()

    def run() -> None:
        if training:
            forward()
        else:
            generator.sample(z)

    def run_textbook() -> None:
        with mock.patch.multiple(synthesis, **TEXTBOOK), mock.patch.object(LayerSpec, "unread", 0):
            forward()

    runs: dict[str, Callable[[], object]] = {"textbook": run_textbook, "ours": run}
    runs["convolutions"] = convolutions(generator, batch, training)
    if device == "cuda":
        runs |= on_cuda.generator_runs(generator, z, forward if training else None)
    seconds = take_turns(runs, rounds, clock_of(device))
    targets = TRAINING_TARGETS if training else FORWARD_TARGETS
    ratios = [
        ratio(seconds, "textbook", "ours", target=targets.get(name)),
        ratio(seconds, "ours", "convolutions", target=2.0, more_is_better=False),
    ]
    if device == "cuda":
        ratios = on_cuda.generator_ratios(seconds, training=training)
    return make_row(
        f"{name}, batch {batch}, {'forward + backward' if training else 'forward'}",
        seconds,
        ratios,
        batch / min(seconds["ours"]),
    )


def convolutions(generator: Generator, batch: int, training: bool) -> Callable[[], None]:
    """torch's convolutions of the layers' sizes and precisions, and nothing else."""
    layers = generator.synthesis.layers()
    device = layers[0].weight.device
    half = [layer.spec.half_precision and device.type == "cuda" for layer in layers]
    with torch.set_grad_enabled(training):
        kinds = [half_dtype() if h else torch.float32 for h in half]
    layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
    sides = [layer.spec.in_size + 2 * min(layer.spec.conv_padding, 0) for layer in layers]
    inputs = [
        torch.randn(
            batch, layer.spec.in_channels, side, side, device=device, dtype=kind
        ).contiguous(memory_format=layout)
        for layer, side, kind in zip(layers, sides, kinds, strict=True)
    ]
    weights = [layer.weight.detach().to(kind) for layer, kind in zip(layers, kinds, strict=True)]

    def run() -> None:
        for layer, x, weight in zip(layers, inputs, weights, strict=True):
            with torch.set_grad_enabled(training):
                tensors = x.requires_grad_(training), weight.requires_grad_(training)
                y = F.conv2d(*tensors, padding=max(layer.spec.conv_padding, 0))
                if training:
                    torch.autograd.grad(y, tensors, y.detach())

    return run


def measure_stylematte(name: str, *, device: str, rounds: int) -> Row:
    """The network with our deformable attention and with transformers', which CUDA takes in
    both."""
    kind, side, batch = STYLEMATTES[name]
    matte = StyleMatte(preset(kind)).eval().to(device)
    image = torch.randn(batch, 3, side, side, device=device)

    def run() -> None:
        with torch.inference_mode():
            matte(image)

    def before() -> None:
        with mock.patch.object(
            deformable_attention, "sample_values", deformable_attention.sample_torch
        ):
            run()

    inputs = _attention_inputs(matte, image)

    def attend(operation: Callable[..., torch.Tensor]) -> Callable[[], object]:
        def once() -> None:
            with torch.inference_mode():
                operation(*inputs)

        return once

    runs = {
        "transformers": before, "ours": run,
        "attention by transformers": attend(deformable_attention.sample_torch),
        "attention": attend(deformable_attention.sample_values),
    }  # fmt: skip
    if device == "cuda":
        runs["chosen"] = on_cuda.stylematte_run(matte, image)
    seconds = take_turns(runs, rounds, clock_of(device))
    target = 2.0 if (name, device) == ("swin-t-512", "cpu") else None
    ratios = [
        ratio(seconds, "attention by transformers", "attention", target=target),
        ratio(seconds, "transformers", "ours"),
    ]
    if device == "cuda":
        ratios.append(ratio(seconds, "transformers", "chosen", target=3.0))
    return make_row(f"{name}, batch {batch}, forward", seconds, ratios)


def _attention_inputs(matte: StyleMatte, image: torch.Tensor) -> tuple[Any, ...]:
    """The arguments of the first layer's attention."""
    seen: list[tuple[Any, ...]] = []
    original = deformable_attention.sample_values

    def spy(*arguments: Any) -> torch.Tensor:
        seen.append(arguments)
        return original(*arguments)

    with torch.no_grad(), mock.patch.object(deformable_attention, "sample_values", spy):
        matte(image)
    return seen[0]


def measure_engine(
    engine: GeneratedSampler, *, device: str, batch: int, rounds: int, batches: int = 2
) -> Row:
    """The engine, checks included, against its two networks alone; candidates a second follow from
    the milliseconds."""
    plan = bench_plan(batch)
    z = torch.randn(batch, engine.config.z_dim, device=device)

    def whole() -> None:
        for number, _ in enumerate(engine.candidates(plan, 0), 1):
            if number == batches:
                return

    def alone() -> None:
        with torch.inference_mode():
            for _ in range(batches):
                engine.alpha_of(engine.sample(z, plan.psi, None)[:, :3])

    seconds = take_turns({"networks": alone, "engine": whole}, rounds, clock_of(device))
    share = ratio(seconds, "networks", "engine", target=0.9)
    return make_row(
        f"engine at {engine.config.img_resolution} px, {batches} batches of {batch}",
        seconds,
        [share],
        batches * batch / min(seconds["engine"]),
    )


def bench_plan(batch: int) -> Plan:
    """A plan whose filter passes everything."""
    return make_plan(
        DatasetSpec(count=10_000, shard_size=10_000),
        seed=1,
        bundle="sha256:" + "0" * 64,
        thresholds={},
        batch_size=batch,
        threads=torch.get_num_threads(),
        max_attempts_per_sample=20,
    )


def make_row(
    case: str, seconds: Seconds, ratios: list[Ratio], images_a_second: float | None = None
) -> Row:
    return Row(
        case=case,
        ms={name: round(median_ms(seconds, name), 2) for name in seconds},
        ratios=tuple(ratios),
        images_a_second=images_a_second and round(images_a_second, 1),
    )
