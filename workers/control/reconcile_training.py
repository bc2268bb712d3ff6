"""Who trains what: ring for runs that nobody works on, order those whose turn has come.

Torch-free; runs every few seconds on the control worker.
"""

import logging
import secrets

from core.datasets.dataset import utcnow
from core.messages import QUEUE_TRAIN, RunCycle
from core.training.run import RunEnd, TrainingRecord, domain_lease
from core.training.runs import TrainingRuns
from core.training.schedules import Schedules
from matteforge.schemas.training import RunState
from workers.context import Context

log = logging.getLogger(__name__)
SCHEDULES = "schedules"  # a lease that nobody releases: it spaces the looks at them
SCHEDULES_S = 30.0


def reconcile_training(context: Context) -> None:
    """One pass over the runs that have not ended; of each domain the oldest is due. Safe to run
    concurrently.

    A message may be lost, or be delivered twice when a run takes longer than the broker's patience:
    whoever gets one finds the lease held, or the run at its end, and does nothing. Raises
    TransientError when a store is away.
    """
    if context.leases.acquire(SCHEDULES, secrets.token_hex(16), SCHEDULES_S):
        for run_id in Schedules(context.catalog.store).start_due(utcnow()):
            log.info("%s is ordered by a schedule", run_id)
    runs = TrainingRuns(context.catalog.store)
    due = _oldest(runs.active())
    held = context.leases.held([domain_lease(record.spec.domain) for record in due])
    idle = [record for record in due if domain_lease(record.spec.domain) not in held]
    for record in idle:
        if runs.is_cancelled(record.id):
            runs.finish(record.id, RunEnd(state=RunState.CANCELLED, at=utcnow()))
            log.info("%s cancelled", record.id)
        elif context.doorbell.depth(QUEUE_TRAIN) < len(idle) and _note(context, record.id):
            context.doorbell.ring(RunCycle(run_id=record.id))


def _oldest(active: list[TrainingRecord]) -> list[TrainingRecord]:
    """The first of each domain; `active` is oldest first."""
    first: dict[str, TrainingRecord] = {}
    for record in active:
        first.setdefault(record.spec.domain, record)
    return list(first.values())


def _note(context: Context, run_id: str) -> bool:
    """Note that a message was sent. False: one was, a moment ago. The note is a lease that nobody
    releases."""
    return context.leases.acquire(
        f"rung/{run_id}", secrets.token_hex(16), context.settings.ring_stale_s
    )
