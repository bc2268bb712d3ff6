"""The stages that teach StyleMatteGAN and draw from it (arXiv 2305.02981, section 3.2)."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from core import keys
from core.bundle import GENERATOR_FILE
from core.errors import CheckpointRejected
from matteforge.schemas.corpora import Split
from matteforge.schemas.training import Stage
from models.imaging.tensors import to_pm1
from models.networks.checkpoints.checkpoint import digest
from models.training.gan.adversarial import begin_with, real_backgrounds
from models.training.gan.corpus import Corpus, Labeller
from models.training.gan.labelling import label_corpus, stylematte_labeller
from models.training.gan.loop import GanTrainer, train
from models.training.gan.presets import PRESETS
from models.training.gan.state import composite_over_checker, write_grid
from models.training.gan.trainer import GanTraining
from workers.bundles import STYLEMATTE_FILE
from workers.cycle.job import Job
from workers.cycle.stage_context import StageContext

CORPUS_FILE = "corpus.pt"
WARM_STATE = "warm-start.state.safetensors"
GENERATOR = "gan.safetensors"
TRAINING_STATE = "gan.compact.safetensors"  # to go on from in the next turn
SAVE_S = 120.0  # between two states
GRIDS_KEPT = 8


def label(job: Job, context: StageContext) -> dict[str, Any]:
    """The baseline labels the unlabelled corpora: its alpha becomes the fourth channel."""
    return _label(job, context, Stage.LABEL, job.output(Stage.BASELINE, STYLEMATTE_FILE))


def relabel(job: Job, context: StageContext) -> dict[str, Any]:
    """The new champion, if there is one, labels them too, so that the next turn begins with better
    labels."""
    registered = job.figures(Stage.REGISTER)
    if not registered["promoted"]:
        return {"labelled": 0}
    return _label(
        job, context, Stage.RELABEL, context.bundle(registered["bundle"]) / STYLEMATTE_FILE
    )


def _label(job: Job, context: StageContext, stage: Stage, stylematte: Path) -> dict[str, Any]:
    """Labels follow from network, corpora and framing: they are kept in the store under these and
    made once."""
    spec, path = job.spec, job.folder(stage) / CORPUS_FILE
    size = PRESETS[spec.generator].resolution
    parents = [
        digest(stylematte),
        size,
        spec.framing,
        *(job.record.corpora[name].digest for name in spec.unlabelled),
    ]
    name = hashlib.sha256(json.dumps(parents).encode()).hexdigest()
    key = f"{keys.LABELS}{name}.pt"
    if context.book.store.head(key) is None:
        total = sum(job.record.corpora[corpus].samples(Split.TRAIN) for corpus in spec.unlabelled)
        labeller = _ticking(job, stylematte_labeller(stylematte, context.device), total)
        tars = context.tars(job, spec.unlabelled, Split.TRAIN)
        label_corpus(tars, labeller, size=size, aligned=spec.framing == "aligned").save(path)
        context.book.store.upload(key, path)
    else:
        job.log("labelled before by the same network")
        with path.open("wb") as file:
            file.writelines(context.book.store.stream(key))
    corpus = Corpus.load(path)
    images = to_pm1(corpus.images[torch.linspace(0, len(corpus) - 1, 16).long()])
    rows = [images[:, :3], images[:, 3:], composite_over_checker(images)]
    write_grid(job.folder(stage) / "grids" / "labels.png", rows)
    return {"labelled": len(corpus), "labels": name}


def _ticking(job: Job, labeller: Labeller, total: int) -> Labeller:
    seen = 0

    def labelled(scene: torch.Tensor) -> torch.Tensor:
        nonlocal seen
        seen += len(scene)
        job.tick(seen / max(total, 1))
        return labeller(scene)

    return labelled


def warm_start(job: Job, context: StageContext) -> dict[str, Any]:
    """StyleMatteGAN's first images, softened for its discriminators; the champion's goes on from
    where its training left it."""
    folder, kimg = job.folder(Stage.WARM_START), job.spec.warm_start_kimg
    trainer = _trainer(job, context, folder, kimg)
    if job.spec.continue_generator:
        _take_up_champion(job, context, trainer)
    trainer.first_image = trainer.state.progress.images
    if (state := folder / WARM_STATE).exists():
        trainer.state.load(state)
    return _train(job, folder, trainer, "warm-start", trainer.first_image, kimg)


def _trainer(job: Job, context: StageContext, folder: Path, kimg: float) -> GanTraining:
    preset = PRESETS[job.spec.generator]
    settings = replace(preset.adversarial, total_kimg=max(kimg, 1e-3))
    photos = context.photos(job, Split.TRAIN)
    return GanTraining(
        Corpus.load(job.output(Stage.LABEL, CORPUS_FILE)),
        replace(preset, adversarial=settings),
        job.spec.seed,
        backgrounds=real_backgrounds(folder / "photos.npy", photos, preset.resolution),
        device=context.device,
    )


def _take_up_champion(job: Job, context: StageContext, trainer: GanTraining) -> None:
    """Begins with the champion's generator, if its size is the same, and with what is kept of its
    training, but for the random numbers."""
    champion = job.record.champion
    if champion is None:
        return
    try:
        begin_with(trainer, context.bundle(champion) / GENERATOR_FILE)
    except CheckpointRejected:
        job.log("the generator begins anew: the champion's has another size")
        return
    path = job.folder(Stage.WARM_START) / "champion.partial"
    if not context.registry.training_state(champion, path):
        job.log("the discriminators begin anew: no training state of the champion's was kept")
        return
    try:
        trainer.state.load(path)
    except RuntimeError as error:
        raise CheckpointRejected(
            f"the champion's training state is of another version: {error}; set continue_generator "
            f"to false"
        ) from error
    trainer.state.rng.manual_seed(job.spec.seed)
    job.log(
        f"the champion's generator goes on from {trainer.state.progress.images / 1000:.0f} kimg"
    )


def adversarial(job: Job, context: StageContext) -> dict[str, Any]:
    """StyleMatteGAN on from its first images."""
    folder, kimg = job.folder(Stage.ADVERSARIAL), job.spec.adversarial_kimg
    trainer = _trainer(job, context, folder, kimg)
    state = folder / "gan.state.safetensors"
    trainer.state.load(state if state.exists() else job.output(Stage.WARM_START, WARM_STATE))
    trainer.first_image = int(job.figures(Stage.WARM_START)["images"])
    return _train(job, folder, trainer, "gan", trainer.first_image, kimg)


def _train(
    job: Job, folder: Path, trainer: GanTraining, name: str, first: int, kimg: float
) -> dict[str, Any]:
    def go_on(trainer: GanTrainer) -> bool:
        job.tick((trainer.state.progress.images - first) / max(kimg * 1000, 1))
        for grid in sorted((folder / "grids").glob("*.png"))[:-GRIDS_KEPT]:
            grid.unlink()
        return not job.spent()

    train(trainer, folder, name, first + kimg * 1000, SAVE_S, go_on)
    progress = trainer.state.progress
    made = digest(folder / f"{name}.safetensors")
    return {"images": progress.images, "seconds": round(progress.seconds, 1), "generator": made}
