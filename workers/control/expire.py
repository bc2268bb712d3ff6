"""Delete datasets whose time is over, once they have ended."""

import logging
from datetime import datetime

from core.datasets.dataset import DatasetView
from core.errors import NotFound
from workers.context import Context

log = logging.getLogger(__name__)


def is_over(view: DatasetView, now: datetime) -> bool:
    """Whether a dataset may go: its time is over and nobody works on it."""
    return view.expires_at is not None and view.expires_at <= now and view.state.terminal


def expire(context: Context, dataset_id: str, now: datetime) -> bool:
    """Delete a dataset if the store says that it is over: Redis may not know yet that its end was
    moved. False: it stays."""
    try:
        view, _ = context.catalog.view(dataset_id)
    except NotFound:
        return False
    if not is_over(view, now):
        return False
    context.catalog.delete(dataset_id, now)
    context.live.remove(dataset_id)
    context.catalog.purge(dataset_id)
    log.info("%s of %s expired at %s and is deleted", dataset_id, view.owner, view.expires_at)
    return True
