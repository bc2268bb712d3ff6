"""Make one shard and commit it: sample, filter, encode, tar, commit. Safe to run any number of times, anywhere."""

import json
import logging
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from core.criteria import first_failure
from core.dataset import DatasetState, ErrorInfo, utcnow
from core.errors import Cancelled, NotFound, PermanentError, TransientError
from core.leases import HeldLease, hold, shard_lease
from core.manifest import ShardRecord
from core.messages import Reconcile
from core.plan import Plan
from core.sample import SampleRecord, sample_key, shard_name
from workers.context import Context
from workers.finalize import starved
from workers.generate.candidate import Candidate, Sampler
from workers.shards.commit import adopt_shard, commit_shard
from workers.shards.encode import ALPHA_SUFFIX, SUFFIX, encode_alpha, encode_image
from workers.shards.tar import ShardTar

log = logging.getLogger(__name__)
STOP_CHECK_S = 2.0  # between two looks for tombstones while sampling
MAX_TRIES = 10  # crashes on one shard within TRY_TTL_S before its dataset fails
TRY_TTL_S = 3600.0
IDENTITY = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def run_shard(context: Context, dataset_id: str, shard: int) -> None:
    """Bring a shard to its end, or leave it to whoever holds its lease.

    A TransientError is logged and left to the reconciler, a PermanentError fails the dataset; others are bugs and pass.
    """
    settings = context.settings
    name = shard_lease(dataset_id, shard)
    try:
        with hold(context.leases, name, ttl_s=settings.lease_ttl_s, renew_s=settings.lease_renew_s) as lease:
            context.live.clear_ring_mark(dataset_id, shard)
            if lease is None:
                return
            _settle(context, dataset_id, shard, lease)
        context.doorbell.ring(Reconcile(dataset_id=dataset_id))
    except TransientError as error:
        log.warning("%s shard %d is left to the reconciler: %s", dataset_id, shard, error.detail)


def _settle(context: Context, dataset_id: str, shard: int, lease: HeldLease) -> None:
    catalog = context.catalog
    try:
        plan = catalog.request(dataset_id).plan
        if reason := catalog.stop_reason(dataset_id):
            raise Cancelled(f"{dataset_id} takes no more shards: {reason}")
        context.live.set_state(dataset_id, DatasetState.RUNNING, utcnow())
        record = adopt_shard(catalog, dataset_id, shard)
        if record is None:
            with _one_try(context, dataset_id, shard):
                record = _make(context, dataset_id, plan, shard, lease)
        if record.samples < plan.samples_in(shard):
            catalog.fail(dataset_id, starved(plan, record))
        context.live.add_shard(dataset_id, record)
    except (Cancelled, NotFound) as end:
        log.info("%s shard %d is not needed any more: %s", dataset_id, shard, end.detail)
    except PermanentError as error:
        log.error("%s shard %d fails its dataset: %s", dataset_id, shard, error.detail)
        catalog.fail(dataset_id, ErrorInfo(code=error.code, detail=error.detail))


@contextmanager
def _one_try(context: Context, dataset_id: str, shard: int) -> Iterator[None]:
    """Count tries that crash, as leases that nobody releases. Raises PermanentError when there were too many."""
    token = secrets.token_hex(16)
    for number in range(MAX_TRIES):
        name = f"try/{dataset_id}/{shard}/{number}"
        if context.leases.acquire(name, token, TRY_TTL_S):
            break
    else:
        raise PermanentError(f"shard {shard} broke its worker {MAX_TRIES} times")
    try:
        yield
    except (TransientError, PermanentError, Cancelled):
        context.leases.release(name, token)
        raise
    context.leases.release(name, token)


def _make(context: Context, dataset_id: str, plan: Plan, shard: int, lease: HeldLease) -> ShardRecord:
    """Sample until the shard is full or its attempts are spent, then commit it."""
    started_s = time.monotonic()
    sampler = context.sampler(plan.bundle)
    with TemporaryDirectory(prefix="matteforge-shard-") as folder:
        path = Path(folder) / shard_name(shard)
        with ShardTar(path) as tar:
            attempted, rejected = _fill(tar, sampler, plan, shard, _watch(context, dataset_id, lease))
        record = ShardRecord(
            shard=shard,
            name=shard_name(shard),
            samples=tar.samples,
            attempted=attempted,
            rejected=dict(sorted(rejected.items())),
            size_bytes=tar.size_bytes,
            sha256=tar.sha256,
        )
        lease.check()
        committed = commit_shard(context.catalog, dataset_id, path, record)
    log.info(
        "%s %s: %d samples of %d candidates in %.1f s",
        dataset_id, record.name, record.samples, record.attempted, time.monotonic() - started_s,
    )  # fmt: skip
    return committed


def _watch(context: Context, dataset_id: str, lease: HeldLease) -> Iterator[None]:
    """To be advanced once a batch. Raises LeaseLost or Cancelled when the work is in vain."""
    checked_s = time.monotonic()
    while True:
        lease.check()
        if time.monotonic() - checked_s >= STOP_CHECK_S:
            checked_s = time.monotonic()
            if reason := context.catalog.stop_reason(dataset_id):
                raise Cancelled(f"{dataset_id} takes no more shards: {reason}")
        yield


def _fill(tar: ShardTar, sampler: Sampler, plan: Plan, shard: int, watch: Iterator[None]) -> tuple[int, Counter[str]]:
    """Write the first accepted candidates in attempt order; returns how many were looked at, and rejections by reason.

    Candidates of the last batch that come after the shard is full are not counted.
    """
    wanted = plan.samples_in(shard)
    rejected: Counter[str] = Counter()
    for batch in sampler.candidates(plan, shard):
        next(watch)
        for candidate in batch:
            if reason := first_failure(candidate.scores, plan.thresholds):
                rejected[reason] += 1
                continue
            record = _sample_record(candidate, sampler, plan, shard, tar.samples)
            tar.add(record.key, _members(candidate, record, plan))
            if tar.samples == wanted:
                return candidate.attempt + 1, rejected
    return tar.samples + rejected.total(), rejected


def _sample_record(candidate: Candidate, sampler: Sampler, plan: Plan, shard: int, index: int) -> SampleRecord:
    height, width = candidate.alpha.shape
    return SampleRecord(
        key=sample_key(shard, index), shard=shard, index=index, attempt=candidate.attempt, seed=candidate.seed,
        dataset_seed=plan.seed, truncation_psi=plan.truncation_psi, transform=IDENTITY, batch_size=plan.batch_size,
        bundle=plan.bundle, generator=sampler.generator, stylematte=sampler.stylematte,
        format_version=plan.format_version, width=width, height=height,
        scores={name: round(score, 6) for name, score in candidate.scores.items()}, thresholds=plan.thresholds,
    )  # fmt: skip


def _members(candidate: Candidate, record: SampleRecord, plan: Plan) -> dict[str, bytes]:
    return {
        ALPHA_SUFFIX: encode_alpha(candidate.alpha),
        SUFFIX[plan.image_format]: encode_image(candidate.rgb_u8, plan.image_format),
        "json": json.dumps(record.model_dump(mode="json"), sort_keys=True, allow_nan=False).encode(),
    }
