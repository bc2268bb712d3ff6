"""The loop around StyleMatteGAN's training: steps, scalars, states, samples, signals."""

import copy
import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import torch

from core.errors import TrainingDiverged
from models.networks.stylegan3 import Generator
from models.training import distributed
from models.training.gan.state import (
    StopSignal,
    measure_statistics,
    save_generator,
    write_samples,
)
from models.training.run_state import TrainingState
from models.training.scalars import ScalarLog

FORGOTTEN = ("g", "d_rgba", "d_features")  # optimisers' moments: large, and soon warm again
BROKEN_IN_A_ROW = (
    100  # steps with something that is not finite, each without effect, until the run is given up
)


class GanTrainer(Protocol):
    """What a trainer is to the loop around it."""

    state: TrainingState

    @property
    def generator(self) -> Generator: ...

    @property
    def averaged(self) -> Generator: ...

    def step(self) -> dict[str, float]: ...


@torch.no_grad()
def publish(trainer: GanTrainer, run: Path, name: str) -> None:
    """Saves NAME.state.safetensors, the calibrated EMA generator NAME.safetensors and a grid of
    samples."""
    trainer.state.save(run / f"{name}.state.safetensors")
    generator = copy.deepcopy(trainer.averaged)
    measure_statistics(generator)
    save_generator(run / f"{name}.safetensors", generator, trainer.state.progress)
    path = run / "grids" / f"{name}-{trainer.state.progress.images // 1000:05d}.png"
    write_samples(path, trainer.generator, generator)


def until_signalled() -> Callable[[GanTrainer], bool]:
    """Goes on until SIGTERM or SIGINT; to be called in the main thread."""
    stop = StopSignal()
    return lambda trainer: not stop


def train(
    trainer: GanTrainer,
    run: Path,
    name: str,
    last_image: float,
    save_every: float,
    go_on: Callable[[GanTrainer], bool],
    keep_every: float = math.inf,
) -> None:
    """Steps until `last_image` or until `go_on`, asked before each step, says no in one of the
    processes.

    Publishes every `save_every` seconds and at the end, where it also writes
    NAME.compact.safetensors, small enough to be kept with the code; every `keep_every` images the
    generator stays, as snapshots/NAME-IMAGES.safetensors. Only the first process writes. Raises
    TrainingDiverged.
    """
    if distributed.rank() > 0:
        for _ in _steps(trainer, last_image, go_on):
            pass
        return
    saved, kept = time.monotonic(), trainer.state.progress.images // keep_every
    with ScalarLog(run, name) as log:
        for scalars in _steps(trainer, last_image, go_on):
            if scalars:
                progress = trainer.state.progress
                log.write(progress.images, {"seconds": progress.seconds} | scalars)
            due = trainer.state.progress.images // keep_every
            if time.monotonic() - saved > save_every or due > kept:
                publish(trainer, run, name)
                saved = time.monotonic()
            if due > kept:
                _keep(trainer, run, name)
                kept = due
    publish(trainer, run, name)
    trainer.state.save_compact(run / f"{name}.compact.safetensors", forget=FORGOTTEN)


def _keep(trainer: GanTrainer, run: Path, name: str) -> None:
    folder = run / "snapshots"
    folder.mkdir(exist_ok=True)
    images = trainer.state.progress.images
    shutil.copyfile(run / f"{name}.safetensors", folder / f"{name}-{images:08d}.safetensors")


def _steps(
    trainer: GanTrainer, last_image: float, go_on: Callable[[GanTrainer], bool]
) -> Iterator[dict[str, float]]:
    """The scalars of each step, none where the trainer read none; seconds count only what passes
    inside steps."""
    progress, broken = trainer.state.progress, 0
    while progress.images < last_image and distributed.all_agree(go_on(trainer)):
        began = time.monotonic()
        scalars = trainer.step()
        progress.seconds += time.monotonic() - began
        broken = (
            broken + 1 if not all(map(math.isfinite, scalars.values())) else broken * (not scalars)
        )
        if broken == BROKEN_IN_A_ROW:
            raise TrainingDiverged(
                f"{broken} steps in a row held something that is not finite: {scalars}"
            )
        yield scalars
