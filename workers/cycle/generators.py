"""How far the champion's and the candidate's StyleMatteGAN are from the corpus that the run
labelled."""

import torch
import torch.nn.functional as F
from torch import Tensor

from core.bundle import GENERATOR_FILE
from matteforge.schemas.gate import DistanceFigures, Interval
from matteforge.schemas.training import Stage
from models.imaging.tensors import to_pm1
from models.metrics.frechet import VIEWS, Figure, frechet_change, pooled_features
from models.metrics.generator_card import sample_images, write_contact_sheet
from models.networks.checkpoints.load import load_generator, load_stylematte
from models.networks.stylematte.encoder_features import EncoderFeatures
from models.training.gan.corpus import Corpus
from workers.bundles import STYLEMATTE_FILE
from workers.cycle.job import Job
from workers.cycle.stage_context import StageContext
from workers.cycle.stylemattegan import CORPUS_FILE, GENERATOR


def measure_generators(job: Job, context: StageContext) -> tuple[dict[str, DistanceFigures], int]:
    """By view, Frechet distances on features of the baseline StyleMatte's encoder; and the number
    of images of each.

    Unfiltered samples at psi 1, resized to the corpus where a generator has another size. No
    figures where there is no champion. Contact sheets of 64 samples at psi 0.7 are left in
    `grids/`.
    """
    spec, corpus = job.spec, Corpus.load(job.output(Stage.LABEL, CORPUS_FILE))
    paths = {"candidate": job.output(Stage.ADVERSARIAL, GENERATOR)}
    if job.record.champion is not None:
        paths["champion"] = context.bundle(job.record.champion) / GENERATOR_FILE
    subjects = corpus.images[:: corpus.scenes_per_subject]
    order = torch.randperm(len(subjects), generator=torch.Generator().manual_seed(spec.seed))
    real = to_pm1(subjects[order[: spec.gate_images]])
    samples: dict[str, Tensor] = {}
    for name, path in paths.items():
        generator = load_generator(path).to(context.device)
        write_contact_sheet(
            job.folder(Stage.EVALUATE) / "grids" / f"generator-{name}.png", generator
        )
        if len(paths) > 1:
            samples[name] = _resized(
                sample_images(generator, len(real), 1.0, spec.seed), real.shape[-1]
            )
    network = EncoderFeatures(load_stylematte(job.output(Stage.BASELINE, STYLEMATTE_FILE))).to(
        context.device
    )
    views = {}
    for view, see in VIEWS.items() if samples else ():
        features = {
            name: pooled_features(network, see(images))
            for name, images in {**samples, "real": real}.items()
        }
        change = frechet_change(
            features["champion"], features["candidate"], features["real"], seed=spec.seed
        )
        views[view] = DistanceFigures(
            champion=_interval(change.old),
            candidate=_interval(change.new),
            difference=_interval(change.difference),
        )
    return views, len(real)


def _resized(images: Tensor, size: int) -> Tensor:
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)


def _interval(figure: Figure) -> Interval:
    return Interval(value=figure.value, low=figure.low, high=figure.high)
