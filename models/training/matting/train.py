"""Trains StyleMatte on portraits of known alpha over procedural backgrounds (arXiv 2305.02981,
section 3.1).

A run folder holds `state.safetensors` (all it takes to go on), `ema.safetensors` (the network to
use), `scalars.jsonl`, `tensorboard/` and `grids/`. Batch k is a function of (seed, k) alone, so a
resumed run repeats an uninterrupted one bit for bit.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from matteforge.cli.steps import Steps
from matteforge.schemas.corpora import CorpusKind
from models.corpora.pairs import read_people
from models.corpora.reader import count_entries
from models.imaging.compositing import over
from models.imaging.pixels import U8
from models.imaging.sheets import in_rows, save_sheet, tile
from models.imaging.tensors import quantised_rgb
from models.kernels.compile_notice import announce_compilation
from models.kernels.cpu_tuning import restart_tuned
from models.metrics.matting import matting_metrics
from models.networks.checkpoints.checkpoint import save_checkpoint
from models.networks.checkpoints.load import load_stylematte
from models.networks.stylematte import StyleMatte, predict_alpha, preset
from models.scenes.backgrounds import Bank, background_bank, list_photos, photo_bank
from models.training.matting.augment import crop_background, to_tensor
from models.training.matting.step import MattingTrainer, MattingTraining
from models.training.scalars import ScalarLog

SHOWN, SHOWN_IN_A_ROW = 24, 3  # validation images in a grid
VALIDATION_SEED = 1_000_003  # added to a run's seed for its held-out backgrounds
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def validation_batch(
    portraits: NDArray[np.uint8], backgrounds: NDArray[np.uint8], seed: int
) -> tuple[Tensor, Tensor]:
    """Each portrait as it is, over one held-out background: image [n, 3, h, w] in [-1, 1], alpha
    [n, 1, h, w]."""
    rng, subject = np.random.default_rng(seed), to_tensor(portraits)
    behind = crop_background(to_tensor(backgrounds[: len(portraits)]), portraits.shape[1], rng)
    alpha = subject[:, 3:]
    return over(subject[:, :3], alpha, behind) * 2 - 1, alpha


@torch.no_grad()
def validate(matte: StyleMatte, image: Tensor, alpha: Tensor, grid: Path) -> dict[str, float]:
    """Mean MAD and IoU over the validation images; writes the first SHOWN as image, prediction,
    truth."""
    device = matte.conv.weight.device
    predicted = torch.cat([predict_alpha(matte, part.to(device)).cpu() for part in image.split(20)])
    scores = matting_metrics(predicted[:, 0].numpy(), alpha[:, 0].numpy())
    greys = [grey.expand(-1, 3, -1, -1) * 2 - 1 for grey in (predicted, alpha)]
    panels = quantised_rgb(torch.cat([image, *greys], dim=3)[:SHOWN]).numpy()
    save_sheet(grid, tile(in_rows(list(panels), SHOWN_IN_A_ROW)))
    return {"val_mad": float(scores["mad"].mean()), "val_iou": float(scores["iou"].mean())}


def train_matting(
    network: StyleMatte,
    options: MattingTraining,
    portraits: NDArray[np.uint8],
    held_out: NDArray[np.uint8],
    run: Path,
    photos: Sequence[Path] = (),
    held_out_photos: Sequence[Path] = (),
    scenes: NDArray[np.uint8] | None = None,
) -> Iterator[dict[str, float]]:
    """Trains up to `options.steps`, going on from `run`; yields each step's scalars, with
    validation at checkpoints.

    portraits, held_out: uint8 [n, h, w, 4], straight RGBA; photos: pictures without people, for
    more backgrounds; scenes: uint8 [m, h, w, 4], colour of whole scenes and the subject's alpha.
    """
    seed, size = options.seed, options.background_size
    backgrounds: Bank = background_bank(
        run / "backgrounds.npy", count=options.background_count, size=size, seed=seed
    )
    if photos:
        crops = photo_bank(
            run / "photos.npy", photos, count=options.photo_crops, size=size, seed=seed
        )
        backgrounds = np.concatenate([backgrounds, crops])
    unseen_seed, unseen_path, count = (
        seed + VALIDATION_SEED,
        run / "backgrounds-val.npy",
        len(held_out),
    )
    if held_out_photos:
        unseen = photo_bank(
            run / "photos-val.npy", held_out_photos, count=count, size=size, seed=unseen_seed
        )
    else:
        unseen = background_bank(unseen_path, count=count, size=size, seed=unseen_seed)
    validation = validation_batch(held_out, unseen, unseen_seed)
    trainer = MattingTrainer(network, options, portraits, backgrounds, scenes)
    if (state := run / "state.safetensors").exists():
        trainer.state.load(state)
    with ScalarLog(run, "scalars") as log:
        while trainer.step < options.steps:
            start = time.perf_counter()
            scalars = trainer.train_step()
            scalars |= {"seconds": time.perf_counter() - start}
            if trainer.step % options.checkpoint_every == 0 or trainer.step == options.steps:
                scalars |= validate(
                    trainer.ema, *validation, run / "grids" / f"{trainer.step:07d}.png"
                )
                trainer.state.save(state)
                _publish(trainer, scalars, run / "ema.safetensors")
            log.write(trainer.step, scalars)
            yield {"step": trainer.step} | scalars


def _publish(trainer: MattingTrainer, scalars: dict[str, float], path: Path) -> None:
    extra: dict[str, Any] = {"step": trainer.step, "options": asdict(trainer.options)}
    extra |= {name: value for name, value in scalars.items() if name.startswith("val_")}
    save_checkpoint(
        path,
        kind="stylematte",
        config=trainer.ema.config.to_dict(),
        state=trainer.ema.state_dict(),
        extra=extra,
    )


@click.command("train-matting")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="Has pairs in train/ and val/, in any layout that `corpora add` takes.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Run folder; an earlier run goes on.",
)
@click.option(
    "--size", type=click.IntRange(32), help="Side of the middle squares of pictures of other sizes."
)
@click.option("--steps", default=6000, show_default=True)
@click.option("--learning-rate", default=1e-3, show_default=True, help="At its peak.")
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--preset",
    "sizes",
    default="tiny",
    show_default=True,
    help="Sizes of a new network: tiny or swin-t.",
)
@click.option(
    "--start",
    type=click.Path(path_type=Path, exists=True),
    help="Checkpoint to start from instead.",
)
@click.option(
    "--photos",
    type=FOLDER,
    multiple=True,
    help="Folder of pictures without people: more backgrounds.",
)
@click.option("--held-out-photos", type=FOLDER, multiple=True, help="The same for validation.")
@click.option(
    "--train", "trained", type=click.Choice(["all", "head"]), default="all", show_default=True
)
@click.option(
    "--photo-crops",
    default=1500,
    show_default=True,
    help="Crops of them in the bank of backgrounds.",
)
@click.option("--device", default="cpu", show_default=True)
def main(
    data: Path,
    out: Path,
    size: int | None,
    steps: int,
    learning_rate: float,
    seed: int,
    sizes: str,
    start: Path | None,
    photos: tuple[Path, ...],
    held_out_photos: tuple[Path, ...],
    trained: Literal["all", "head"],
    photo_crops: int,
    device: str,
) -> None:
    """Train StyleMatte on people whose alpha is exact, over backgrounds drawn or photographed.

    Those that come in a scene (image and alpha) are also shown in it.
    """
    restart_tuned()
    announce_compilation()
    torch.manual_seed(seed)
    network = load_stylematte(start) if start else StyleMatte(preset(sizes))
    try:
        portraits, scenes = _people(data / "train", size)
        held_out, _ = _people(data / "val", size)
    except FileNotFoundError as problem:
        raise click.UsageError(f"{problem} is missing: --data has train/ and val/") from problem
    except ValueError as problem:
        raise click.UsageError(str(problem)) from problem
    out.mkdir(parents=True, exist_ok=True)
    options = MattingTraining(
        steps=steps,
        seed=seed,
        trained=trained,
        learning_rate=learning_rate,
        photo_crops=photo_crops,
    )
    try:
        pictures, unseen = (list_photos(folders) for folders in (photos, held_out_photos))
    except ValueError as problem:
        raise click.UsageError(str(problem)) from problem
    trained_steps = train_matting(
        network.to(device), options, portraits, held_out, out, pictures, unseen, scenes
    )
    for scalars in Steps("steps", steps).each(trained_steps):
        if scalars["step"] % 25 == 0 or "val_mad" in scalars:
            left_s = scalars["seconds"] * (steps - scalars["step"])
            told = " ".join(f"{name} {value:.4g}" for name, value in scalars.items())
            click.echo(f"{told} left_s {left_s:.0f}")


def _people(folder: Path, size: int | None) -> tuple[U8, U8]:
    with Steps(folder.name, partial(count_entries, folder, CorpusKind.PAIRS)) as steps:
        return read_people(folder, size, steps.step)


if __name__ == "__main__":
    main()
