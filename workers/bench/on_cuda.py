"""What only a card has: the operations that a worker chooses there, and graphs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from models.networks.stylegan3 import Generator
from models.networks.stylematte import StyleMatte
from workers.bench.timing import Ratio, Seconds, ratio
from workers.generate.cuda import Graphed, capture_graph, choose_matting, prepare

Runs = dict[str, Callable[[], object]]
CONVOLUTIONS = {False: 2.0, True: 2.5}  # at most so many times as long, by training


def generator_runs(generator: Generator, z: Tensor, forward: Callable[[], None] | None) -> Runs:
    """By torch's operations and by the kernel; without `forward`, which is a training step's, also
    what a worker chose, as launches and as a graph."""

    def run() -> None:
        if forward:
            forward()
        else:
            generator.sample(z)

    def by(kernel: bool) -> Callable[[], None]:
        def once() -> None:
            generator.synthesis.use_kernel(kernel)
            run()

        return once

    if forward:
        return {"torch": by(False), "ours": by(True)}
    prepare(generator)
    chosen = generator.synthesis.layers()[0].by_kernel
    replay = capture_graph(run)
    return {"torch": by(False), "kernel": by(True), "ours": by(chosen), "graph": replay}


def generator_ratios(seconds: Seconds, *, training: bool) -> list[Ratio]:
    """Against the textbook, the convolutions alone, and each other."""
    bound = CONVOLUTIONS[training]
    ratios = [
        ratio(seconds, "textbook", "ours", target=1.0),
        ratio(seconds, "ours", "convolutions", target=bound, more_is_better=False),
        ratio(seconds, "torch", "ours", target=1.0),
    ]
    return ratios if training else [*ratios, ratio(seconds, "ours", "graph", target=1.0)]


def stylematte_run(matte: StyleMatte, image: Tensor) -> Callable[[], object]:
    """StyleMatte at work in a worker: in the precision that it chose, as a graph where that is
    faster."""
    alpha_of = Graphed(choose_matting(matte))
    pm1 = image.clamp(-1, 1)

    def run() -> None:
        with torch.inference_mode():
            alpha_of(pm1)

    return run
