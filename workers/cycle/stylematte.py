"""The stages that teach StyleMatte (arXiv 2305.02981, section 3.1)."""

import shutil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.errors import CorpusRejected
from matteforge.schemas.corpora import Split
from matteforge.schemas.training import Stage, TrainingSpec
from models.corpora.pairs import read_squares
from models.networks.checkpoints.checkpoint import digest, halved, load_checkpoint, save_checkpoint
from models.networks.checkpoints.load import load_stylematte
from models.networks.stylematte import StyleMatte, preset
from models.training.matting.train import MattingTraining, train_matting
from workers.bundles import STYLEMATTE_FILE
from workers.cycle.job import Job
from workers.cycle.stage_context import StageContext

BASELINE_RATE = 1e-3  # peak learning rate of a network that begins anew
ACCEPTED_FILE = "accepted.tar"


def baseline(job: Job, context: StageContext) -> dict[str, Any]:
    """StyleMatte to begin with: the champion's, or one trained on the labelled pairs alone, from
    the run's start or from nothing."""
    target = job.folder(Stage.BASELINE) / STYLEMATTE_FILE
    if job.record.champion is not None:
        shutil.copyfile(context.bundle(job.record.champion) / STYLEMATTE_FILE, target)
        job.log(f"the champion's StyleMatte, {digest(target)[:12]}")
        return {"champion": job.record.champion, "stylematte": digest(target)}
    torch.manual_seed(job.spec.seed)
    if start := job.record.start:
        job.log(f"begins with the StyleMatte of {start}")
        network = load_stylematte(context.bundle(start) / STYLEMATTE_FILE)
    else:
        network = StyleMatte(preset(job.spec.matting_network))
    portraits = read_squares(
        context.tars(job, job.spec.labelled, Split.TRAIN), job.spec.matting_size
    )
    rate = job.spec.matting_rate if start else BASELINE_RATE
    figures = _train(
        job, context, Stage.BASELINE, network, portraits, job.spec.baseline_steps, rate
    )
    return {"champion": None, "start": start, "pairs": len(portraits), **figures}


def fine_tune(job: Job, context: StageContext) -> dict[str, Any]:
    """The baseline goes on on labelled pairs and accepted samples."""
    spec = job.spec
    real = read_squares(context.tars(job, spec.labelled, Split.TRAIN), spec.matting_size)
    most = int(len(real) * spec.synthetic_share / (1 - spec.synthetic_share))
    accepted = read_squares([job.output(Stage.SAMPLE, ACCEPTED_FILE)], spec.matting_size)[:most]
    job.log(f"{len(real)} labelled pairs and {len(accepted)} accepted samples")
    network = load_stylematte(job.output(Stage.BASELINE, STYLEMATTE_FILE))
    portraits = np.concatenate([real, accepted])
    figures = _train(
        job, context, Stage.FINE_TUNE, network, portraits, spec.matting_steps, spec.matting_rate
    )
    return {"pairs": len(real), "accepted": len(accepted), **figures}


def _train(
    job: Job,
    context: StageContext,
    stage: Stage,
    network: StyleMatte,
    portraits: NDArray[np.uint8],
    steps: int,
    rate: float,
) -> dict[str, Any]:
    """Leaves the network's EMA as STYLEMATTE_FILE, in the precision in which it will be shipped."""
    spec, folder = job.spec, job.folder(stage)
    if not len(portraits):
        raise CorpusRejected("the labelled corpora hold no training pairs")
    held_out = read_squares(context.tars(job, spec.labelled, Split.VALIDATION), spec.matting_size)
    options = _options(spec, steps, rate)
    photos, unseen = (context.photos(job, split) for split in (Split.TRAIN, Split.VALIDATION))
    last: dict[str, Any] = {}
    for scalars in train_matting(
        network.to(context.device), options, portraits, held_out, folder, photos, unseen
    ):
        job.tick(scalars["step"] / steps)
        if "val_mad" in scalars:
            last = {name: scalars[name] for name in ("step", "val_mad", "val_iou", "total")}
            job.log(" ".join(f"{name} {value:.4g}" for name, value in last.items()))
            job.push()
            if job.spent():
                job.log("its time is over")
                break
    trained = load_checkpoint(folder / "ema.safetensors", kind="stylematte")
    path = folder / STYLEMATTE_FILE
    save_checkpoint(
        path,
        kind="stylematte",
        config=trained.config,
        state=halved(trained.state),
        extra=trained.extra,
    )
    return {
        "stylematte": digest(path),
        **{name: trained.extra[name] for name in ("step", "val_mad", "val_iou")},
        **last,
    }


def _options(spec: TrainingSpec, steps: int, rate: float) -> MattingTraining:
    return MattingTraining(
        steps=steps,
        seed=spec.seed,
        learning_rate=rate,
        sizes=tuple(sorted({max(32, spec.matting_size // 2), spec.matting_size})),
        batch_pixels=spec.matting_batch * spec.matting_size**2,
        warmup_steps=min(200, max(1, steps // 10)),
        background_count=spec.rendered_backgrounds,
        background_size=spec.matting_size * 5 // 4,
        checkpoint_every=max(1, min(200, steps // 4)),
    )
