"""Make one shard and commit it: sample, filter, encode, tar, commit. Safe to run any number of
times, anywhere."""

import errno
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from core.datasets.dataset import utcnow
from core.datasets.manifest import ShardRecord
from core.datasets.plan import Plan, pace_kind
from core.datasets.rejects import RejectedExample, put_examples
from core.datasets.sample import shard_name
from core.errors import (
    Cancelled,
    DeviceLost,
    NotFound,
    PermanentError,
    RendererFailed,
    StoreRefused,
    TransientError,
)
from core.leases import HeldLease, hold, shard_lease
from core.messages import Reconcile
from matteforge.schemas.datasets import DatasetState, ErrorInfo
from workers.context import Context
from workers.control.finalize import starved
from workers.control.webhooks import tell_shard
from workers.generate.make_shard import make_shard
from workers.generate.rejects import Rejects
from workers.generate.tally import Tally
from workers.shards.commit import adopt_shard, commit_shard
from workers.shards.companions import explain_shard

log = logging.getLogger(__name__)
TELL_S = 1.0  # between two reports of how far a shard is
TOLD_FOR_S = 120.0  # a report holds so long: a picture may take a minute
STOP_CHECK_S = 2.0  # between two looks for tombstones while sampling
MAX_TRIES = 10  # crashes on one shard within TRY_WINDOW_S before its dataset fails
TRY_WINDOW_S = 3600.0
DISK_FAILS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A shard to be delivered."""

    plan: Plan
    record: ShardRecord
    path: Path | None
    """Where its tar lies; None: it was committed before."""
    elapsed_s: float = 0.0
    rejects: Sequence[RejectedExample] = ()


def run_shard(context: Context, dataset_id: str, shard: int) -> None:
    """Bring a shard to its end, or leave it to whoever holds its lease. Its commit may go on behind
    this call.

    A TransientError, refused credentials or a disk that fails or is full are logged and left to the
    reconciler, another PermanentError fails the dataset; others are bugs and pass.
    """
    settings = context.settings
    with _left_to_the_reconciler(dataset_id, shard):
        with ExitStack() as stack:  # lease, try and folder of the shard, until it is delivered
            lease = stack.enter_context(
                hold(
                    context.leases,
                    shard_lease(dataset_id, shard),
                    ttl_s=settings.lease_ttl_s,
                    renew_s=settings.lease_renew_s,
                )
            )
            context.live.clear_ring_mark(dataset_id, shard)
            if lease is None:
                return
            with _judged(context, dataset_id, shard):
                made = _make(context, dataset_id, shard, lease, stack)
                held = stack.pop_all()
                try:
                    context.in_background(lambda: _deliver(context, dataset_id, made, lease, held))
                except BaseException:  # the one before failed, and this one was not begun
                    held.close()
                    raise
                return
        context.doorbell.ring(Reconcile(dataset_id=dataset_id))


def _deliver(
    context: Context, dataset_id: str, made: _Made, lease: HeldLease, held: ExitStack
) -> None:
    """Commit and count a shard, then give up what was held for it."""
    shard = made.record.shard
    with _left_to_the_reconciler(dataset_id, shard):
        goes_on = False
        with held, _judged(context, dataset_id, shard):
            record = made.record
            if made.path is not None:
                lease.check()
                record = commit_shard(context.catalog, dataset_id, made.path, record)
                if record == made.record:
                    _explain(context, dataset_id, made, made.path)
            full = record.samples == made.plan.samples_in(shard)
            if not full:
                context.catalog.fail(dataset_id, starved(made.plan, record))
            tell_shard(context, dataset_id, record)
            context.live.add_shard(dataset_id, record)
            if made.elapsed_s and record.samples:
                context.live.note_pace(pace_kind(made.plan), made.elapsed_s / record.samples)
            goes_on = full and _goes_on(context, dataset_id)
        if not goes_on:
            context.doorbell.ring(Reconcile(dataset_id=dataset_id))


def _explain(context: Context, dataset_id: str, made: _Made, tar: Path) -> None:
    store, shard = context.catalog.store, made.record.shard
    explain_shard(store, dataset_id, shard, tar)
    if made.rejects:
        put_examples(store, dataset_id, shard, list(made.rejects))


def _goes_on(context: Context, dataset_id: str) -> bool:
    """Whether enough messages wait to do without the reconciler, whose pass costs a fifth of a
    shard's commit."""
    view, waiting = context.live.get(dataset_id), len(context.live.ring_marks(dataset_id))
    return (
        view is not None
        and view.counts.shards_done < view.counts.shards_total
        and 2 * waiting >= context.settings.window
    )


@contextmanager
def _left_to_the_reconciler(dataset_id: str, shard: int) -> Iterator[None]:
    try:
        yield
    except DeviceLost:
        raise  # this process can't go on
    except (TransientError, StoreRefused) as error:
        log.warning("%s shard %d is left to the reconciler: %s", dataset_id, shard, error.detail)
    except OSError as error:
        if error.errno not in DISK_FAILS:
            raise
        log.error("%s shard %d: this worker's disk fails: %s", dataset_id, shard, error)


@contextmanager
def _judged(context: Context, dataset_id: str, shard: int) -> Iterator[None]:
    """What an error means to the dataset; transient ones pass."""
    try:
        yield
    except (Cancelled, NotFound) as end:
        log.info("%s shard %d is not needed any more: %s", dataset_id, shard, end.detail)
    except StoreRefused:
        raise
    except PermanentError as error:
        log.error("%s shard %d fails its dataset: %s", dataset_id, shard, error.detail)
        context.catalog.fail(dataset_id, ErrorInfo(code=error.code, detail=error.detail))


@contextmanager
def _one_try(context: Context, dataset_id: str, shard: int) -> Iterator[None]:
    """Count tries that crash: they are not ended. Raises PermanentError when there were too
    many."""
    name = f"{dataset_id}/{shard}"
    if context.leases.begin_try(name, TRY_WINDOW_S) > MAX_TRIES:
        context.leases.end_try(name)
        raise PermanentError(f"shard {shard} broke its worker {MAX_TRIES} times")
    try:
        yield
    except (RendererFailed, DeviceLost):
        raise  # as bad as a crash: the same portrait, or too big a network, may do it again
    except (TransientError, PermanentError, Cancelled):
        context.leases.end_try(name)
        raise
    except OSError as error:
        if error.errno in DISK_FAILS:
            context.leases.end_try(name)
        raise
    context.leases.end_try(name)


def _make(
    context: Context, dataset_id: str, shard: int, lease: HeldLease, stack: ExitStack
) -> _Made:
    """Sample until the shard is full or its attempts are spent; its tar lies in a folder that
    `stack` removes."""
    catalog, started_s = context.catalog, time.monotonic()
    plan = catalog.open_plan(dataset_id)
    context.live.set_state(dataset_id, DatasetState.RUNNING, utcnow())
    if adopted := adopt_shard(catalog, dataset_id, shard):
        return _Made(plan=plan, record=adopted, path=None)
    stack.enter_context(_one_try(context, dataset_id, shard))
    stack.callback(_withdraw, context, dataset_id, shard)
    _tell(context, dataset_id, shard, Tally())  # somebody is at work, if only to load a model
    path = Path(stack.enter_context(TemporaryDirectory(prefix="matteforge-shard-"))) / shard_name(
        shard
    )
    rejects = Rejects(shard)

    def watch(tally: Tally) -> Iterator[None]:
        return _watch(context, dataset_id, shard, lease, tally)

    record = make_shard(context, dataset_id, plan, shard, path, watch, rejects)
    log.info(
        "%s %s: %d samples of %d candidates in %.1f s",
        dataset_id, record.name, record.samples, record.attempted, time.monotonic() - started_s,
    )  # fmt: skip
    elapsed_s = time.monotonic() - started_s
    return _Made(plan=plan, record=record, path=path, elapsed_s=elapsed_s, rejects=rejects.examples)


def _tell(context: Context, dataset_id: str, shard: int, tally: Tally) -> None:
    with suppress(TransientError):  # no work waits for what people look at
        context.live.report_work(dataset_id, shard, tally.so_far(), TOLD_FOR_S)


def _withdraw(context: Context, dataset_id: str, shard: int) -> None:
    with suppress(TransientError):
        context.live.withdraw_work(dataset_id, shard)


def _watch(
    context: Context, dataset_id: str, shard: int, lease: HeldLease, tally: Tally
) -> Iterator[None]:
    """To be advanced once a batch: tells how far the shard is, at most every second. Raises
    LeaseLost or Cancelled when the work is in vain."""
    checked_s, told_s = time.monotonic(), 0.0
    while True:
        lease.check()
        now_s = time.monotonic()
        if now_s - checked_s >= STOP_CHECK_S:
            checked_s = now_s
            if reason := context.catalog.stop_reason(dataset_id):
                raise Cancelled(f"{dataset_id} takes no more shards: {reason}")
        if now_s - told_s >= TELL_S:
            told_s = now_s
            _tell(context, dataset_id, shard, tally)
        yield
