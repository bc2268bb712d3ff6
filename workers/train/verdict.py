"""The stages that judge: both StyleMattes on pairs that neither has seen, the gate, and the registry."""

import json
import shutil
from importlib.metadata import version
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import nn

from core.corpus import Split
from core.registry import CANDIDATE, CHAMPION, TRAINING_STATE_FILE
from core.training import GateDecision, Stage
from models.load import load_stylematte
from models.matting import predict_alpha
from models.metrics import full_metrics
from models.pixels import rgb_from_u8
from models.training.held_out import HeldOut, held_out_pairs
from workers.bundles import STYLEMATTE_FILE, assemble
from workers.train.gate import decide, mean_interval
from workers.train.job import Job
from workers.train.stylemattegan import GENERATOR, TRAINING_STATE
from workers.train.thresholds import calibrated
from workers.train.workshop import Workshop

BATCH = 8
METRIC = "mad"
SCORES_FILE = "scores.json"
CHECKPOINTS = {"champion": Stage.BASELINE, "candidate": Stage.FINE_TUNE}

PairScores = dict[str, dict[str, float]]  # key -> metric -> value


def evaluate(job: Job, shop: Workshop) -> dict[str, Any]:
    """Every metric of both StyleMattes on every pair of the test splits, and their means with intervals."""
    spec, slices = job.spec, dict[str, list[str]]()
    total = len(CHECKPOINTS) * sum(job.record.corpora[name].samples(Split.TEST) for name in spec.labelled)
    scores: dict[str, PairScores] = {}
    seen = 0
    for network, stage in CHECKPOINTS.items():
        matte = load_stylematte(job.output(stage, STYLEMATTE_FILE)).to(shop.device)
        scores[network] = {}
        for name in spec.labelled:
            pairs = held_out_pairs(shop.tars(job, [name], Split.TEST), spec.matting_size)
            while batch := list(islice(pairs, BATCH)):
                scores[network] |= _score(matte, batch)
                slices |= {pair.key: [name, *([f"{name}/{pair.part}"] if pair.part else [])] for pair in batch}
                seen += len(batch)
                job.tick(seen / max(total, 1))
    body = json.dumps({**scores, "slices": slices}, sort_keys=True)
    (job.folder(Stage.EVALUATE) / SCORES_FILE).write_text(body)
    return {"pairs": len(slices), **{network: _means(found, spec.seed) for network, found in scores.items()}}


def _score(matte: nn.Module, batch: list[HeldOut]) -> PairScores:
    device = next(matte.parameters()).device
    with torch.inference_mode():
        image = rgb_from_u8(np.stack([pair.rgb for pair in batch])).to(device)
        predicted = predict_alpha(matte, image)[:, 0].float().cpu().numpy()
    metrics = full_metrics(predicted, np.stack([pair.alpha for pair in batch]))
    return {pair.key: {name: float(values[i]) for name, values in metrics.items()} for i, pair in enumerate(batch)}


def _means(scores: PairScores, seed: int) -> dict[str, dict[str, float]]:
    names = next(iter(scores.values()))
    return {
        name: mean_interval(np.array([pair[name] for pair in scores.values()]), seed=seed, resamples=2000).model_dump()
        for name in names
    }


def gate(job: Job, shop: Workshop) -> dict[str, Any]:
    """The decision, stored with its figures."""
    scores = json.loads(job.output(Stage.EVALUATE, SCORES_FILE).read_text())
    old, new = ({key: pair[METRIC] for key, pair in scores[network].items()} for network in CHECKPOINTS)
    spec = job.spec
    decision = decide(
        old, new, scores["slices"], metric=METRIC, margin=spec.slice_margin, fewest=spec.gate_pairs, seed=spec.seed
    )
    job.log(f"gate {'passed' if decision.passed else 'not passed'}: {decision.reason}")
    return decision.model_dump(mode="json")


def register(job: Job, shop: Workshop) -> dict[str, Any]:
    """Publishes what was learned as NAME@candidate; NAME@champion follows if the gate let it pass.

    A new domain has no champion to be kept: there the better of both StyleMattes makes the first one.
    """
    record, spec = job.record, job.spec
    decision = GateDecision.model_validate(job.figures(Stage.GATE))
    first = record.champion is None
    chosen = Stage.FINE_TUNE if decision.passed or not first else Stage.BASELINE
    stylematte, generator = job.output(chosen, STYLEMATTE_FILE), job.output(Stage.ADVERSARIAL, GENERATOR)
    resolution = job.figures(Stage.SAMPLE)["resolution"]
    folder = job.folder(Stage.REGISTER) / "bundle"
    assemble(
        folder,
        name=spec.domain,
        generator=generator,
        stylematte=stylematte,
        thresholds=calibrated(job, shop, stylematte, resolution),
        card=_card(job, decision, chosen),
    )
    shutil.copyfile(job.output(Stage.ADVERSARIAL, TRAINING_STATE), folder / TRAINING_STATE_FILE)
    bundle = shop.registry.publish(folder, alias=CANDIDATE, reason=f"trained by {record.id}")
    promoted = spec.promote and (decision.passed or first)
    why = "the first version" if first and not decision.passed else f"gate passed: {decision.reason}"
    if promoted and not shop.registry.promote(
        spec.domain, bundle.digest, reason=f"{why} ({record.id})", actor=record.id, expected=record.champion
    ):
        promoted = False
        job.log("the champion was changed while this run was under way: its comparison is void, nothing is promoted")
    job.log(f"{spec.domain}@{CHAMPION if promoted else CANDIDATE} is {bundle.digest}")
    return {"bundle": bundle.digest, "promoted": promoted, "chosen": chosen}


def _card(job: Job, decision: GateDecision, chosen: Stage) -> dict[str, Any]:
    """Data, parents, code version, figures with intervals: what a reader of the bundle should know."""
    record = job.record
    corpora = {
        name: {"digest": corpus.digest, "kind": corpus.kind, "licence": corpus.licence, "samples": corpus.samples()}
        for name, corpus in record.corpora.items()
    }
    evaluated = job.figures(Stage.EVALUATE)
    return {
        "run": record.id,
        "parents": [record.champion] if record.champion else [],
        "code": f"matteforge {version('matteforge')}",
        "spec": record.spec.model_dump(mode="json"),
        "corpora": corpora,
        "stylematte": {"stage": chosen, "test": evaluated["candidate" if chosen is Stage.FINE_TUNE else "champion"]},
        "generator": {key: job.figures(Stage.ADVERSARIAL)[key] for key in ("images", "generator")},
        "sampling": job.figures(Stage.SAMPLE),
        "gate": decision.model_dump(mode="json"),
    }
