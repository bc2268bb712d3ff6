"""Trains StyleMatte on portraits of known alpha over procedural backgrounds (arXiv 2305.02981, section 3.1).

A run folder holds `state.safetensors` (all it takes to go on), `ema.safetensors` (the network to use), `scalars.jsonl`
and `grids/`. Batch k is a function of (seed, k) alone, so a resumed run repeats an uninterrupted one bit for bit.
"""

import copy
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.checkpoint import save_checkpoint
from models.load import load_stylematte
from models.matting import StyleMatte, predict_alpha, preset
from models.matting.losses import matting_loss
from models.metrics import matting_metrics
from models.training.augment import crop, draw_batch, to_tensor
from models.training.backgrounds import Bank, background_bank, list_photos, photo_bank
from models.training.portraits_data import read_portraits

MOMENTS = ("exp_avg", "exp_avg_sq", "step")
VALIDATION_SEED = 1_000_003  # added to a run's seed for its held-out backgrounds
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@dataclass(frozen=True, kw_only=True)
class MattingTraining:
    """What a run does; equal options and data give equal networks."""

    steps: int
    seed: int = 0
    sizes: tuple[int, ...] = (64, 96, 128, 128)
    """Image sides, in pixels; each batch draws one."""
    batch_pixels: int = 8 * 128 * 128
    """Pixels of a batch, whatever its size."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup_steps: int = 200
    ema_decay: float = 0.998
    clip_norm: float = 1.0
    background_count: int = 2000
    background_size: int = 160
    photo_crops: int = 1500
    """Crops of photographs that join the procedural backgrounds, where photographs are given."""
    checkpoint_every: int = 200

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up, then half a cosine down to 2 % at the last step."""
        progress = min(1.0, step / max(1, self.steps))
        cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))
        return self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup_steps)) * cosine


class MattingTrainer:
    """A network in training, its EMA and its optimiser after `step` batches."""

    def __init__(
        self,
        network: StyleMatte,
        options: MattingTraining,
        portraits: NDArray[np.uint8],
        backgrounds: NDArray[np.uint8],
    ) -> None:
        self.network, self.ema = network.train(), copy.deepcopy(network).eval().requires_grad_(False)
        self.options, self.portraits, self.backgrounds = options, portraits, backgrounds
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, betas=(0.9, 0.98)
        )
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """One batch forth and back. Returns the losses, the gradient norm and the learning rate."""
        rng = np.random.default_rng((self.options.seed, self.step))
        size = int(rng.choice(self.options.sizes))
        count = max(2, self.options.batch_pixels // size**2)
        image, alpha = draw_batch(self.portraits, self.backgrounds, count=count, size=size, rng=rng)
        rate = self.options.learning_rate_at(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        device = self.network.conv.weight.device
        losses = matting_loss(predict_alpha(self.network, image.to(device)), alpha.to(device))
        self.optimiser.zero_grad(set_to_none=True)
        losses["total"].backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.options.clip_norm, error_if_nonfinite=True)
        self.optimiser.step()
        self.step += 1
        self._update_ema()
        return {name: loss.item() for name, loss in losses.items()} | {"grad_norm": norm.item(), "lr": rate}

    @torch.no_grad()
    def _update_ema(self) -> None:
        decay = min(self.options.ema_decay, (1 + self.step) / (4 + self.step))
        for mean, parameter in zip(self.ema.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(parameter, 1 - decay)
        for kept, buffer in zip(self.ema.buffers(), self.network.buffers(), strict=True):
            kept.copy_(buffer)

    def save(self, path: Path) -> None:
        """Writes network, EMA, optimiser and step atomically, as safetensors."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"ema.{name}": tensor for name, tensor in self.ema.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            moments = self.optimiser.state[parameter]
            tensors |= {f"{moment}.{name}": moments[moment] for moment in MOMENTS if moment in moments}
        partial = path.with_suffix(".partial")
        save_file({name: t.detach().cpu().clone() for name, t in tensors.items()}, partial, {"step": str(self.step)})
        os.replace(partial, path)

    def resume(self, path: Path) -> None:
        """Takes up what `save` wrote."""
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            self.step = int(file.metadata()["step"])
        part: dict[str, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            kind, _, name = key.partition(".")
            part.setdefault(kind, {})[name] = tensor
        self.network.load_state_dict(part["network"])
        self.ema.load_state_dict(part["ema"])
        names = [name for name, _ in self.network.named_parameters()]
        state = {
            index: {moment: part[moment][name] for moment in MOMENTS}
            for index, name in enumerate(names)
            if name in part.get("step", {})
        }
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})


def validation_batch(portraits: NDArray[np.uint8], backgrounds: NDArray[np.uint8], seed: int) -> tuple[Tensor, Tensor]:
    """Each portrait as it is, over one held-out background: image [n, 3, h, w] in [-1, 1], alpha [n, 1, h, w]."""
    rng, subject = np.random.default_rng(seed), to_tensor(portraits)
    behind = crop(to_tensor(backgrounds[: len(portraits)]), portraits.shape[1], rng)
    alpha = subject[:, 3:]
    return (subject[:, :3] * alpha + behind * (1 - alpha)) * 2 - 1, alpha


@torch.no_grad()
def validate(matte: StyleMatte, image: Tensor, alpha: Tensor, grid: Path) -> dict[str, float]:
    """Mean MAD and IoU over the validation images; writes the first 24 as image, prediction, truth."""
    device = matte.conv.weight.device
    predicted = torch.cat([predict_alpha(matte, part.to(device)).cpu() for part in image.split(20)])
    scores = matting_metrics(predicted[:, 0].numpy(), alpha[:, 0].numpy())
    rows = torch.cat([(image + 1) / 2, predicted.expand(-1, 3, -1, -1), alpha.expand(-1, 3, -1, -1)], dim=3)[:24]
    tiles = (rows.permute(0, 2, 3, 1).clamp(0, 1) * 255).round().byte().numpy()
    sheet = [np.concatenate(list(tiles[start : start + 3]), axis=1) for start in range(0, len(tiles) - 2, 3)]
    grid.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(sheet)).save(grid)
    return {"val_mad": float(scores["mad"].mean()), "val_iou": float(scores["iou"].mean())}


def train_matting(
    network: StyleMatte,
    options: MattingTraining,
    portraits: NDArray[np.uint8],
    held_out: NDArray[np.uint8],
    run: Path,
    photos: Sequence[Path] = (),
    held_out_photos: Sequence[Path] = (),
) -> Iterator[dict[str, float]]:
    """Trains up to `options.steps`, going on from `run`; yields each step's scalars, with validation at checkpoints.

    portraits, held_out: uint8 [n, h, w, 4], straight RGBA; photos: pictures without people, for more backgrounds.
    """
    seed, size = options.seed, options.background_size
    backgrounds: Bank = background_bank(run / "backgrounds.npy", count=options.background_count, size=size, seed=seed)
    if photos:
        crops = photo_bank(run / "photos.npy", photos, count=options.photo_crops, size=size, seed=seed)
        backgrounds = np.concatenate([backgrounds, crops])
    unseen_seed, unseen_path, count = seed + VALIDATION_SEED, run / "backgrounds-val.npy", len(held_out)
    if held_out_photos:
        unseen = photo_bank(run / "photos-val.npy", held_out_photos, count=count, size=size, seed=unseen_seed)
    else:
        unseen = background_bank(unseen_path, count=count, size=size, seed=unseen_seed)
    validation = validation_batch(held_out, unseen, unseen_seed)
    trainer = MattingTrainer(network, options, portraits, backgrounds)
    if (state := run / "state.safetensors").exists():
        trainer.resume(state)
    while trainer.step < options.steps:
        start = time.perf_counter()
        scalars = trainer.train_step()
        scalars |= {"step": trainer.step, "seconds": time.perf_counter() - start}
        if trainer.step % options.checkpoint_every == 0 or trainer.step == options.steps:
            scalars |= validate(trainer.ema, *validation, run / "grids" / f"{trainer.step:07d}.png")
            trainer.save(state)
            _publish(trainer, scalars, run / "ema.safetensors")
        with (run / "scalars.jsonl").open("a") as log:
            log.write(json.dumps(scalars) + "\n")
        yield scalars


def _publish(trainer: MattingTrainer, scalars: dict[str, float], path: Path) -> None:
    extra: dict[str, Any] = {"step": trainer.step, "options": asdict(trainer.options)}
    extra |= {name: value for name, value in scalars.items() if name.startswith("val_")}
    save_checkpoint(
        path, kind="stylematte", config=trainer.ema.config.to_dict(), state=trainer.ema.state_dict(), extra=extra
    )


@click.command("train-matting")
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True, help="Has train/ and val/.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Run folder; an earlier run goes on.")
@click.option("--steps", default=6000, show_default=True)
@click.option("--learning-rate", default=1e-3, show_default=True, help="At its peak.")
@click.option("--seed", default=0, show_default=True)
@click.option("--preset", "sizes", default="tiny", show_default=True, help="Sizes of a new network: tiny or swin-t.")
@click.option("--start", type=click.Path(path_type=Path, exists=True), help="Checkpoint to start from instead.")
@click.option("--photos", type=FOLDER, multiple=True, help="Folder of pictures without people: more backgrounds.")
@click.option("--held-out-photos", type=FOLDER, multiple=True, help="The same for validation.")
@click.option("--photo-crops", default=1500, show_default=True, help="Crops of them in the bank of backgrounds.")
@click.option("--device", default="cpu", show_default=True)
def main(
    data: Path,
    out: Path,
    steps: int,
    learning_rate: float,
    seed: int,
    sizes: str,
    start: Path | None,
    photos: tuple[Path, ...],
    held_out_photos: tuple[Path, ...],
    photo_crops: int,
    device: str,
) -> None:
    """Train StyleMatte on tars of RGBA portraits."""
    torch.manual_seed(seed)
    network = load_stylematte(start) if start else StyleMatte(preset(sizes))
    portraits, held_out = (read_portraits(sorted((data / split).glob("*.tar"))) for split in ("train", "val"))
    out.mkdir(parents=True, exist_ok=True)
    options = MattingTraining(steps=steps, seed=seed, learning_rate=learning_rate, photo_crops=photo_crops)
    try:
        pictures, unseen = (list_photos(folders) for folders in (photos, held_out_photos))
    except ValueError as problem:
        raise click.UsageError(str(problem)) from problem
    for scalars in train_matting(network.to(device), options, portraits, held_out, out, pictures, unseen):
        if scalars["step"] % 25 == 0 or "val_mad" in scalars:
            click.echo(" ".join(f"{name} {value:.4g}" for name, value in scalars.items()))


if __name__ == "__main__":
    main()
