"""The stages that teach StyleMatteGAN and draw from it (arXiv 2305.02981, section 3.2)."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from core import keys
from core.bundle import GENERATOR_FILE
from core.errors import CheckpointRejected, CorpusRejected
from matteforge.schemas.corpora import Split
from matteforge.schemas.training import Stage
from models.imaging.tensors import to_pm1
from models.kernels.device import training_dtype
from models.networks.checkpoints.checkpoint import digest
from models.training.gan.adversarial import begin_with, real_backgrounds
from models.training.gan.corpus import Corpus, Labeller
from models.training.gan.labelling import label_corpus, stylematte_labeller
from models.training.gan.loop import GanTrainer, train
from models.training.gan.presets import PRESETS
from models.training.gan.regression import Regression, tells_groups
from models.training.gan.state import composite_over_checker, write_grid
from models.training.gan.trainer import GanTraining
from workers.bundles import STYLEMATTE_FILE
from workers.cycle.job import Job
from workers.cycle.stage_context import StageContext

CORPUS_FILE = "corpus.pt"
WARM_STATE = "warm-start.state.safetensors"
REGRESSION_STATE = "regression.state.safetensors"
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
    """StyleMatteGAN's first images, softened for its discriminators. The champion's goes on from
    where its training left it; one that begins anew may begin with a regression."""
    spec, folder = job.spec, job.folder(Stage.WARM_START)
    trainer = _trainer(job, context, folder, spec.warm_start_kimg)
    goes_on = spec.continue_generator and _take_up_champion(job, context, trainer)
    trainer.first_image, before = trainer.state.progress.images, 0.0
    if not goes_on and spec.regression_kimg:
        before = spec.regression_kimg
    if (state := folder / WARM_STATE).exists():
        trainer.state.load(state)
    elif before:
        _regress(job, folder, trainer)
    return _train(job, folder, trainer, "warm-start", spec.warm_start_kimg, before)


def _regress(job: Job, folder: Path, trainer: GanTraining) -> None:
    """The game begins with what a regression has learnt, one that an earlier start has begun."""
    spec = job.spec
    if not tells_groups(trainer.generator.config):
        trainer.corpus = replace(trainer.corpus, groups=())
    try:
        regression = Regression(trainer, spec.regression_kimg)
    except ValueError as error:
        raise CorpusRejected(str(error)) from error
    if (state := folder / REGRESSION_STATE).exists():
        regression.state.load(state)
    _train(job, folder, regression, "regression", spec.regression_kimg, 0, spec.warm_start_kimg)
    regression.hand_over()


def _trainer(job: Job, context: StageContext, folder: Path, kimg: float) -> GanTraining:
    preset = PRESETS[job.spec.generator]
    rate = job.spec.generator_rate or preset.adversarial.lr
    settings = replace(preset.adversarial, total_kimg=max(kimg, 1e-3), lr=rate)
    photos = context.photos(job, Split.TRAIN)
    return GanTraining(
        Corpus.load(job.output(Stage.LABEL, CORPUS_FILE)),
        replace(preset, adversarial=settings),
        job.spec.seed,
        backgrounds=real_backgrounds(folder / "photos.npy", photos, preset.resolution),
        device=context.device,
        dtype=training_dtype(context.device),
    )


def _take_up_champion(job: Job, context: StageContext, trainer: GanTraining) -> bool:
    """Begins with the champion's generator, if there is one of the same size, and with what is kept
    of its training, but for the random numbers. Whether it does."""
    champion = job.record.champion
    if champion is None:
        return False
    try:
        begin_with(trainer, context.bundle(champion) / GENERATOR_FILE)
    except CheckpointRejected:
        job.log("the generator begins anew: the champion's has another size")
        return False
    path = job.folder(Stage.WARM_START) / "champion.partial"
    if not context.registry.training_state(champion, path):
        job.log("the discriminators begin anew: no training state of the champion's was kept")
        return True
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
    return True


def adversarial(job: Job, context: StageContext) -> dict[str, Any]:
    """StyleMatteGAN on from its first images."""
    folder, kimg = job.folder(Stage.ADVERSARIAL), job.spec.adversarial_kimg
    trainer = _trainer(job, context, folder, kimg)
    state = folder / "gan.state.safetensors"
    trainer.state.load(state if state.exists() else job.output(Stage.WARM_START, WARM_STATE))
    trainer.first_image = int(job.figures(Stage.WARM_START)["images"])
    return _train(job, folder, trainer, "gan", kimg)


def _train(
    job: Job,
    folder: Path,
    trainer: GanTraining | Regression,
    name: str,
    kimg: float,
    before: float = 0.0,
    after: float = 0.0,
) -> dict[str, Any]:
    """Trains for `kimg`; before, after: those of the stage around them, for its progress."""
    first = trainer.first_image

    def go_on(trainer: GanTrainer) -> bool:
        done = before + (trainer.state.progress.images - first) / 1000
        job.tick(done / max(before + kimg + after, 1e-3))
        for grid in sorted((folder / "grids").glob("*.png"))[:-GRIDS_KEPT]:
            grid.unlink()
        return not job.spent()

    train(trainer, folder, name, first + kimg * 1000, SAVE_S, go_on)
    progress = trainer.state.progress
    made = digest(folder / f"{name}.safetensors")
    return {"images": progress.images, "seconds": round(progress.seconds, 1), "generator": made}
