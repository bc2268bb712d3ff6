"""Compare what was ordered with what is there, and ring for what is missing. Torch-free; runs every
few seconds."""

import logging
from collections.abc import Callable, Iterable

from core.datasets.dataset import DatasetView, utcnow
from core.errors import NotFound, StoreRefused, TransientError
from core.leases import shard_lease
from core.messages import PRIORITY_FIRST, SHARD_MESSAGES, Reconcile, shard_priority
from matteforge.schemas.datasets import DatasetState
from workers.context import Context
from workers.control.expire import expire, is_over
from workers.control.finalize import finalize, publish_end
from workers.control.webhooks import ring_due

log = logging.getLogger(__name__)
SWEEP = "sweep"  # the timer of the searches for unknown datasets
SWEEP_S = 60.0


def reconcile(context: Context, now_s: float, dataset_id: str | None = None) -> None:
    """One pass over one dataset or all active ones; `now_s` is seconds since the epoch. Safe to run
    concurrently.

    One dataset's failure does not keep the others waiting. Raises TransientError when a store is
    away, StoreRefused when its credentials are wrong.
    """
    context.doorbell.rearm(Reconcile(dataset_id=dataset_id))
    if not context.live.is_initialised():
        recover(context)
    if dataset_id is None and context.leases.once_every(SWEEP, SWEEP_S):
        _sweep(context)
    dataset_ids = context.live.active_ids() if dataset_id is None else [dataset_id]
    for active_id in dataset_ids:
        try:
            _advance(context, active_id, now_s)
        except (TransientError, StoreRefused):
            raise
        except Exception:
            log.exception("%s could not be reconciled", active_id)
    if dataset_id is None:
        _ring_lost(context, dataset_ids, now_s)
        ring_due(context, now_s)


def recover(context: Context, follow: Callable[[list[str]], Iterable[str]] = iter) -> int:
    """Rebuild the live view from S3; returns the number of datasets. Idempotent, and safe while
    others work. follow: is given the datasets, and gives them on one by one."""
    found = list(context.catalog.dataset_ids())
    datasets = sum(_rebuild(context, dataset_id) for dataset_id in follow(found))
    context.live.mark_initialised()
    log.info("recovered %d datasets", datasets)
    return datasets


def _sweep(context: Context) -> None:
    """Find datasets that were claimed while Redis was away, deletions that were cut short, and
    datasets whose time is over."""
    now = utcnow()
    for dataset_id in list(context.catalog.dataset_ids()):
        view = context.live.get(dataset_id)
        if view is None:
            _rebuild(context, dataset_id)
        elif is_over(view, now):
            expire(context, dataset_id, now)


def _rebuild(context: Context, dataset_id: str) -> bool:
    try:
        view, done = context.catalog.view(dataset_id)
    except NotFound:
        if context.catalog.has_tombstone(dataset_id, "deleted"):
            context.catalog.purge(dataset_id)
        return False
    context.live.put(view, done=done)
    return True


def _advance(context: Context, dataset_id: str, now_s: float) -> None:
    """Move one dataset on by whatever can be done now."""
    reason = context.catalog.stop_reason(dataset_id)
    if reason == "deleted":
        context.catalog.purge(dataset_id)
        context.live.remove(dataset_id)
    elif reason and (end := context.catalog.end(dataset_id)):
        publish_end(context, end)
    elif reason in ("cancel", "failed"):
        _stop(context, dataset_id, reason)
    elif context.live.get(dataset_id) is None and not _rebuild(context, dataset_id):
        log.info("%s is unknown", dataset_id)
    elif window := context.live.undone(dataset_id, start=0, limit=context.settings.window):
        _fill_window(context, dataset_id, window, now_s)
        context.catalog.compact_records(dataset_id, below=window[0])
    else:
        finalize(context, dataset_id, DatasetState.COMPLETED)


def _stop(context: Context, dataset_id: str, reason: str) -> None:
    """End a cancelled or failed dataset once nobody works on it: no shard is committed behind the
    manifest's back.

    Shards in work are always among the first undone ones, since no others are rung for.
    """
    window = context.live.undone(dataset_id, start=0, limit=context.settings.window)
    if _leased(context, dataset_id, window):
        return
    if reason == "cancel":
        finalize(context, dataset_id, DatasetState.CANCELLED)
    else:
        finalize(context, dataset_id, DatasetState.FAILED, context.catalog.failure(dataset_id))


def _fill_window(context: Context, dataset_id: str, window: list[int], now_s: float) -> None:
    """Ring for the shards of the window that have neither a message in the queue nor a worker."""
    marked = context.live.ring_marks(dataset_id)
    leased = _leased(context, dataset_id, window)
    view = context.live.get(dataset_id)
    if view is None:
        return
    remaining = view.counts.requested - view.counts.accepted
    untouched = not marked and not leased and view.counts.shards_done == 0
    for shard in window:
        if shard not in marked and shard not in leased:
            priority = shard_priority(remaining, first=untouched)
            _ring(context, view, shard, now_s, priority)
            untouched = False


def _ring_lost(context: Context, active: list[str], now_s: float) -> None:
    """Ring again for messages that vanished from the broker: more are noted than wait there.

    The oldest notes are the lost ones, since messages of a priority are taken in order; older still
    are those of the future: the clock was set back since.
    """
    views = [view for known_id in active if (view := context.live.get(known_id))]
    for source, message in SHARD_MESSAGES.items():
        notes = [
            (at_s <= now_s, at_s, view.id, shard, view)
            for view in views
            if view.shard_source == source
            for shard, at_s in context.live.ring_marks(view.id).items()
        ]
        lost = len(notes) - context.doorbell.depth(message.queue)
        for _, at_s, dataset_id, shard, view in sorted(notes, key=lambda n: n[:4])[: max(lost, 0)]:
            if 0 <= now_s - at_s < context.settings.ring_stale_s:
                continue
            context.live.clear_ring_mark(dataset_id, shard)
            if not _leased(context, dataset_id, [shard]):
                log.warning("%s shard %d: its message was lost, ringing again", dataset_id, shard)
                _ring(context, view, shard, now_s, PRIORITY_FIRST)


def _ring(context: Context, view: DatasetView, shard: int, now_s: float, priority: int) -> None:
    """Note the message first: of two reconcilers one rings. A note whose message failed is found by
    _ring_lost."""
    if context.live.ring_mark(view.id, shard, now_s):
        message = SHARD_MESSAGES[view.shard_source](dataset_id=view.id, shard=shard)
        context.doorbell.ring(message, priority=priority)


def _leased(context: Context, dataset_id: str, shards: list[int]) -> set[int]:
    names = {shard_lease(dataset_id, shard): shard for shard in shards}
    return {names[name] for name in context.leases.held(names)}
