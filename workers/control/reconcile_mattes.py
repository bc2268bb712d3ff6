"""Batches of mattes that wait although nobody was told: ring for them; remove old ones.

Torch-free; runs every few seconds on the control worker.
"""

from core.datasets.dataset import utcnow
from core.matte_batches import MatteBatches
from core.messages import BATCH_ABREAST, PRIORITY_LAST, QUEUE_MATTE, RunMatteBatch
from workers.context import Context

SWEEP = "matte-batches/sweep"
SWEEP_S = 3600.0


def reconcile_mattes(context: Context) -> None:
    """One pass over the batches that have not ended. Safe to run concurrently: a message too many
    finds nothing to do. Raises TransientError when a store is away."""
    batches = MatteBatches(context.catalog.store)
    if context.leases.once_every(SWEEP, SWEEP_S):
        batches.sweep(utcnow())
    active = batches.active()
    most_waiting = BATCH_ABREAST * len(active)
    for batch_id in active:
        if context.doorbell.depth(QUEUE_MATTE) < most_waiting and context.leases.once_every(
            f"rung/{batch_id}", context.settings.ring_stale_s
        ):
            message = RunMatteBatch(batch_id=batch_id)
            context.doorbell.ring(message, priority=PRIORITY_LAST)
