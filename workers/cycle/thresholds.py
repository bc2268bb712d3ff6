"""The filter's thresholds, calibrated on the validation pairs framed as the generator's pictures
are."""

from pathlib import Path

import numpy as np
import torch

from matteforge.schemas.corpora import Split
from models.corpora.pairs import read_squares
from models.networks.checkpoints.load import load_stylematte
from models.training.gan.corpus import LABEL_SIZE, compose_scenes
from models.training.matting.held_out import held_out_pairs
from workers.cycle.job import Job
from workers.cycle.stage_context import StageContext
from workers.generate.calibration import Pair, calibrate_thresholds, score_pairs

SCENES = 4  # behind each subject whose scene is not known


def calibrated(
    job: Job, context: StageContext, stylematte: Path, resolution: int
) -> dict[str, float]:
    """Thresholds that 99 % of the validation pairs pass, by criterion."""
    matte = load_stylematte(stylematte).to(context.device)
    scores = list(score_pairs(matte, _pairs(job, context, resolution)))
    return {name: round(value, 6) for name, value in calibrate_thresholds(scores).items()}


def _pairs(job: Job, context: StageContext, resolution: int) -> list[Pair]:
    tars = context.tars(job, job.spec.labelled, Split.VALIDATION)
    if job.spec.framing == "square":
        return [(pair.rgb, pair.alpha) for pair in held_out_pairs(tars, resolution)]
    squares = torch.from_numpy(read_squares(tars, LABEL_SIZE)).permute(0, 3, 1, 2)
    scenes = compose_scenes(squares, size=resolution, scenes=SCENES)
    return [
        (np.ascontiguousarray(np.moveaxis(image[:3], 0, -1)), image[3].astype(np.float32) / 255)
        for image in scenes.numpy()
    ]
