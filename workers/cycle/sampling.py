"""The stage that draws pairs of the new generator, kept where the baseline agrees."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from core.datasets.plan import Plan
from matteforge.schemas.criteria import first_failure
from matteforge.schemas.training import Stage
from models.corpora.foreground import straight_foreground
from models.corpora.validate import content_key
from models.networks.checkpoints.checkpoint import digest
from models.networks.checkpoints.load import load_generator, load_stylematte
from workers.bundles import STYLEMATTE_FILE
from workers.cycle.job import Job
from workers.cycle.stage_context import StageContext
from workers.cycle.stylematte import ACCEPTED_FILE
from workers.cycle.stylemattegan import GENERATOR
from workers.cycle.thresholds import calibrated
from workers.generate.candidate import Candidate
from workers.generate.generated_sampler import GeneratedSampler
from workers.shards.encode import encode_alpha, encode_image
from workers.shards.tar import ShardTar

BATCH = 8


def sample(job: Job, context: StageContext) -> dict[str, Any]:
    """Candidates of the new generator, those kept on which the baseline agrees, as pairs for
    StyleMatte."""
    spec, folder = job.spec, job.folder(Stage.SAMPLE)
    generator, matte = (
        job.output(Stage.ADVERSARIAL, GENERATOR),
        job.output(Stage.BASELINE, STYLEMATTE_FILE),
    )
    network = load_generator(generator)
    thresholds = calibrated(job, context, matte, network.config.img_resolution)
    plan = _plan(
        spec.samples,
        spec.sample_attempts,
        spec.seed,
        spec.truncation_psi,
        thresholds,
        context.threads,
    )
    engine = GeneratedSampler(
        network,
        load_stylematte(matte),
        digests=(digest(generator), digest(matte)),
        device=context.device,
    )
    rejected: Counter[str] = Counter()
    partial = folder / "accepted.partial"
    with ShardTar(partial) as tar:
        for candidate in _attempts(job, engine, plan, spec.sample_attempts):
            if tar.samples == spec.samples:
                break
            if reason := first_failure(candidate.scores, plan.thresholds):
                rejected[reason] += 1
            else:
                tar.add(*_pair(candidate))
    partial.replace(folder / ACCEPTED_FILE)
    job.log(f"{tar.samples} accepted, rejected: {dict(rejected) or 'none'}")
    resolution = network.config.img_resolution
    figures = {"accepted": tar.samples, "rejected": dict(rejected), "resolution": resolution}
    return figures | {"thresholds": thresholds}


def _plan(
    samples: int, attempts: int, seed: int, psi: float, thresholds: dict[str, float], threads: int
) -> Plan:
    return Plan(
        count=max(samples, 1),
        shard_size=max(samples, 1),
        shards_total=1,
        seed=seed,
        truncation_psi=psi,
        image_format="png",
        alpha_bits=8,
        bundle="",
        thresholds=thresholds,
        batch_size=BATCH,
        threads=threads,
        max_attempts_per_sample=-(-attempts // max(samples, 1)),
    )


def _attempts(job: Job, engine: GeneratedSampler, plan: Plan, limit: int) -> Iterator[Candidate]:
    for batch in engine.candidates(plan, 0):
        for candidate in batch:
            if candidate.attempt >= limit:
                return
            yield candidate
        job.tick(batch[-1].attempt / limit)


def _pair(candidate: Candidate) -> tuple[str, dict[str, bytes]]:
    alpha = candidate.alpha.astype("uint8")
    rgba = straight_foreground(candidate.rgb_u8, alpha)
    record = {"attempt": candidate.attempt, "seed": candidate.seed, "scores": candidate.scores}
    return content_key(candidate.rgb_u8), {
        "image.png": encode_image(candidate.rgb_u8, "png"),
        "alpha.png": encode_alpha(alpha),
        "rgba.png": encode_image(rgba, "png"),
        "json": json.dumps(record, sort_keys=True).encode(),
    }
