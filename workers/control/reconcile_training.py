"""Who trains what: ring for runs that nobody works on, order those whose turn has come.

Torch-free; runs every few seconds on the control worker.
"""

import logging

from core.datasets.dataset import utcnow
from core.messages import QUEUE_TRAIN, RunCycle
from core.training.run import RunEnd, TrainingRecord, domain_lease
from core.training.runs import TrainingRuns
from core.training.schedules import Schedules
from matteforge.schemas.training import RunState
from workers.context import Context

log = logging.getLogger(__name__)
SCHEDULES = "schedules"  # the timer of the looks at them
SCHEDULES_S = 30.0


def reconcile_training(context: Context) -> None:
    """One pass over the runs that have not ended; of each domain the oldest is due. Safe to run
    concurrently.

    A message may be lost, or be delivered twice when a run takes longer than the broker's patience:
    whoever gets one finds the lease held, or the run at its end, and does nothing. Raises
    TransientError when a store is away.
    """
    if context.leases.once_every(SCHEDULES, SCHEDULES_S):
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
        elif context.doorbell.depth(QUEUE_TRAIN) < len(idle) and context.leases.once_every(
            f"rung/{record.id}", context.settings.ring_stale_s
        ):
            context.doorbell.ring(RunCycle(run_id=record.id))


def _oldest(active: list[TrainingRecord]) -> list[TrainingRecord]:
    """The first of each domain; `active` is oldest first."""
    first: dict[str, TrainingRecord] = {}
    for record in active:
        first.setdefault(record.spec.domain, record)
    return list(first.values())
