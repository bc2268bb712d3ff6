"""The stages that judge: what is measured of the champion's networks and of the new ones, and the
gate."""

import json
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import nn

from matteforge.schemas.corpora import Split
from matteforge.schemas.gate import DistanceFigures
from matteforge.schemas.training import Stage
from models.imaging.tensors import rgb_from_u8
from models.metrics.bootstrap import mean_interval
from models.metrics.matting import full_metrics
from models.networks.checkpoints.load import load_stylematte
from models.networks.stylematte import predict_alpha
from models.training.matting.held_out import HeldOut, held_out_pairs
from workers.bundles import STYLEMATTE_FILE
from workers.cycle.gate import decide, decide_generator
from workers.cycle.generators import measure_generators
from workers.cycle.job import Job
from workers.cycle.stage_context import StageContext

BATCH = 8
METRIC = "mad"
SCORES_FILE = "scores.json"
CHECKPOINTS = {"champion": Stage.BASELINE, "candidate": Stage.FINE_TUNE}

PairScores = dict[str, dict[str, float]]  # key -> metric -> value


def evaluate(job: Job, context: StageContext) -> dict[str, Any]:
    """Every metric of both StyleMattes on every pair of the test splits, with means; distances of
    both generators."""
    spec, slices = job.spec, dict[str, list[str]]()
    total = len(CHECKPOINTS) * sum(
        job.record.corpora[name].samples(Split.TEST) for name in spec.labelled
    )
    scores: dict[str, PairScores] = {}
    seen = 0
    for network, stage in CHECKPOINTS.items():
        matte = load_stylematte(job.output(stage, STYLEMATTE_FILE)).to(context.device)
        scores[network] = {}
        for name in spec.labelled:
            pairs = held_out_pairs(context.tars(job, [name], Split.TEST), spec.matting_size)
            while batch := list(islice(pairs, BATCH)):
                scores[network] |= _score(matte, batch)
                slices |= {
                    pair.key: [name, *([f"{name}/{pair.part}"] if pair.part else [])]
                    for pair in batch
                }
                seen += len(batch)
                job.tick(seen / max(total, 1))
    body = json.dumps({**scores, "slices": slices}, sort_keys=True)
    (job.folder(Stage.EVALUATE) / SCORES_FILE).write_text(body)
    views, images = measure_generators(job, context)
    generators = {
        "images": images,
        "views": {name: view.model_dump() for name, view in views.items()},
    }
    means = {network: _means(found, spec.seed) for network, found in scores.items()}
    return {"pairs": len(slices), **means, "generators": generators}


def _score(matte: nn.Module, batch: list[HeldOut]) -> PairScores:
    device = next(matte.parameters()).device
    with torch.inference_mode():
        image = rgb_from_u8(np.stack([pair.rgb for pair in batch])).to(device)
        predicted = predict_alpha(matte, image)[:, 0].float().cpu().numpy()
    metrics = full_metrics(predicted, np.stack([pair.alpha for pair in batch]))
    return {
        pair.key: {name: float(values[i]) for name, values in metrics.items()}
        for i, pair in enumerate(batch)
    }


def _means(scores: PairScores, seed: int) -> dict[str, dict[str, float]]:
    names = next(iter(scores.values()))
    return {
        name: mean_interval(
            np.array([pair[name] for pair in scores.values()]), seed=seed, resamples=2000
        )._asdict()
        for name in names
    }


def gate(job: Job, context: StageContext) -> dict[str, Any]:
    """The decision, stored with its figures."""
    scores = json.loads(job.output(Stage.EVALUATE, SCORES_FILE).read_text())
    old, new = (
        {key: pair[METRIC] for key, pair in scores[network].items()} for network in CHECKPOINTS
    )
    spec = job.spec
    decision = decide(
        old,
        new,
        scores["slices"],
        metric=METRIC,
        margin=spec.slice_margin,
        fewest=spec.gate_pairs,
        seed=spec.seed,
    )
    measured = job.figures(Stage.EVALUATE)["generators"]
    if measured["views"]:
        views = {
            name: DistanceFigures.model_validate(view) for name, view in measured["views"].items()
        }
        decision = decision.model_copy(
            update={"generator": decide_generator(views, measured["images"])}
        )
    for line in decision.told():
        job.log(line)
    return decision.model_dump(mode="json")
