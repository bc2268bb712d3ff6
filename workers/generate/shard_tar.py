"""A shard as a tar: the first accepted candidates in attempt order. A pure function of the plan and
the bundle."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core.datasets.manifest import ShardRecord
from core.datasets.plan import Plan
from core.datasets.sample import SampleRecord, sample_key, to_sample
from matteforge.schemas.criteria import BY_NAME
from workers.generate.backdrops import Backdrops
from workers.generate.candidate import Candidate, Sampler
from workers.generate.members import encode_members
from workers.generate.overlap import map_ahead
from workers.generate.rejects import Rejects
from workers.generate.tally import Tally
from workers.shards.tar import ShardTar

ENCODERS = min(4, os.cpu_count() or 1)  # threads of a worker that encode pictures


def make_tar(
    path: Path,
    sampler: Sampler,
    plan: Plan,
    shard: int,
    watch: Callable[[Tally], Iterator[None]],
    rejects: Rejects | None = None,
    backdrops: Backdrops | None = None,
) -> ShardRecord:
    """Write the tar of a shard, a pure function of the plan and the sampler's bundle; returns its
    record. `watch`, given what is counted, is advanced once a batch; it may raise to stop the work.
    `rejects` is shown each rejected candidate; `backdrops` are behind composites, where the plan
    names a corpus.
    """
    tally = Tally(rejects=rejects)
    with ShardTar(path) as tar:
        accepted = _accepted(sampler, plan, shard, watch(tally), tally)
        _fill(tar, accepted, plan, shard, backdrops)
    return ShardRecord(
        shard=shard,
        name=plan.shard_name(shard),
        samples=tar.samples,
        attempted=tally.attempted,
        rejected=dict(sorted(tally.rejected.items())),
        size_bytes=tar.size_bytes,
        sha256=tar.sha256,
        attributes={
            name: dict(sorted(values.items())) for name, values in tally.attributes.items()
        },
    )


def _fill(
    tar: ShardTar,
    accepted: Iterator[Candidate],
    plan: Plan,
    shard: int,
    backdrops: Backdrops | None,
) -> None:
    """Write accepted candidates in attempt order; threads encode them while the next batch is
    made."""

    def encode(entry: tuple[int, Candidate]) -> tuple[str, dict[str, bytes]]:
        index, candidate = entry
        record = _sample_record(candidate, plan, shard, index)
        return record.key, encode_members(
            candidate, record.model_dump(mode="json"), plan, backdrops
        )

    with ThreadPoolExecutor(ENCODERS) as encoders:
        ahead = 4 * plan.batch_size
        for key, members in map_ahead(encoders, encode, enumerate(accepted), ahead=ahead):
            tar.add(key, members)


def _accepted(
    sampler: Sampler, plan: Plan, shard: int, watch: Iterator[None], tally: Tally
) -> Iterator[Candidate]:
    """Candidates that pass every threshold, in attempt order, as many as the shard takes."""
    wanted = plan.samples_in(shard)
    for batch in sampler.candidates(plan, shard):
        next(watch)
        for candidate in batch:
            tally.attempted = candidate.attempt + 1
            if reason := candidate.rejection(plan.thresholds):
                tally.reject(candidate, reason)
                continue
            tally.accept(candidate.attributes)
            yield candidate
            wanted -= 1
            if not wanted:
                return


def _sample_record(candidate: Candidate, plan: Plan, shard: int, index: int) -> SampleRecord:
    height, width = candidate.alpha.shape
    return to_sample(
        {
            "key": sample_key(plan.number(shard), index),
            "shard": plan.number(shard),
            "index": index,
            "split": plan.part(shard).split,
            "attempt": candidate.attempt,
            "seed": candidate.seed,
            "dataset_seed": plan.seed,
            "batch_size": plan.batch_size,
            "bundle": plan.bundle,
            "format_version": plan.format_version,
            "width": width,
            "height": height,
            "scores": {name: round(score, 6) for name, score in candidate.scores.items()},
            "thresholds": {name: plan.thresholds.get(name) for name in BY_NAME},
            **candidate.facts,
        }
    )
