"""What is to be told of datasets, and ringing for what is due."""

import logging
from contextlib import suppress

from core.datasets.dataset import utcnow
from core.datasets.manifest import ManifestHead, ShardRecord
from core.errors import NotFound
from core.messages import SendWebhook
from core.webhooks.events import end_delivery, shard_delivery
from core.webhooks.records import Due, WebhookBook, WebhookDelivery
from workers.context import Context

log = logging.getLogger(__name__)
RUNG_AT_ONCE = 200
RING_AGAIN_S = 60.0
PRUNE, PRUNE_S = "webhooks/prune", 6 * 3600.0


def tell_end(context: Context, end: ManifestHead) -> None:
    """Note that a dataset's end is to be told, before anybody sees it: told again, it changes
    nothing."""
    with suppress(NotFound):  # deleted meanwhile
        _tell(context, end_delivery(context.catalog.request(end.id), end))


def tell_shard(context: Context, dataset_id: str, shard: ShardRecord) -> None:
    """The same of a committed shard."""
    record = context.catalog.request(dataset_id)
    _tell(context, shard_delivery(record, shard, utcnow()))


def _tell(context: Context, delivery: WebhookDelivery | None) -> None:
    if delivery is None:
        return
    if due := WebhookBook(context.catalog.store).add(delivery, utcnow()):
        _ring(context, due)


def ring_due(context: Context, now_s: float) -> None:
    """Ring for webhooks whose time has come: the first try of those whose message was lost, and
    each further one."""
    book = WebhookBook(context.catalog.store)
    for due in book.due(now_s, RUNG_AT_ONCE):
        _ring(context, due)
    if context.leases.once_every(PRUNE, PRUNE_S):
        book.prune(utcnow())


def _ring(context: Context, due: Due) -> None:
    if context.leases.once_every(f"ring/{due.due_s}/{due.delivery_id}", RING_AGAIN_S):
        context.doorbell.ring(SendWebhook(**due._asdict()))
