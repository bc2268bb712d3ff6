"""What the API does with datasets. S3 decides; Redis and the broker may be down without an order
being lost."""

import logging
from collections.abc import Callable
from contextlib import suppress

from core.datasets.catalog import Catalog
from core.datasets.dataset import DatasetView, utcnow
from core.errors import (
    RecordCorrupt,
    StateConflict,
    TransientError,
)
from core.keyring import ApiKey
from core.messages import Reconcile
from matteforge.schemas.datasets import DatasetState
from service.dependencies import Services

log = logging.getLogger(__name__)


def load_view(services: Services, dataset_id: str) -> DatasetView:
    """The live view of a dataset; rebuilt from S3, and handed back to Redis, when Redis lost it.
    NotFound."""
    try:
        if view := services.live.get(dataset_id):
            return view
    except TransientError as error:
        log.warning("live view of %s: %s", dataset_id, error.detail)
        return services.catalog.view(dataset_id)[0]
    return shown_anew(services, dataset_id)


def shown_anew(services: Services, dataset_id: str) -> DatasetView:
    """The view of a dataset as the store has it, handed to Redis. NotFound."""
    view, done = services.catalog.view(dataset_id)
    try:
        services.live.put(view, done=done)
    except TransientError as error:
        log.warning("live view of %s not put back: %s", dataset_id, error.detail)
    return view


LOOKED_THROUGH = 1000  # datasets, of which none was wanted, before a page is answered


def page(
    services: Services,
    key: ApiKey,
    *,
    state: DatasetState | None,
    after: str | None,
    limit: int,
    wanted: Callable[[DatasetView], bool] = lambda view: True,
) -> tuple[list[DatasetView], str | None]:
    """Datasets of the key's tenant that are wanted, newest first, and the cursor of the next page:
    an empty page may be followed by others, after LOOKED_THROUGH that were not wanted.

    Raises InvalidCursor.
    """
    looked_at = 0
    while True:
        views, after = services.live.page(state=state, after=after, limit=limit)
        looked_at += len(views)
        seen = [
            view
            for view in views
            if wanted(view) and (key.admin or key.sees(_owner(services, view)))
        ]
        if seen or after is None or looked_at >= LOOKED_THROUGH:
            return seen, after


def _owner(services: Services, view: DatasetView) -> str:
    return view.owner or services.owner_of(view.id)


def cancel(services: Services, dataset_id: str) -> DatasetView:
    """Ask for the end of a dataset; repeating it changes nothing. StateConflict when it ended
    otherwise."""
    catalog: Catalog = services.catalog
    catalog.request(dataset_id)
    end = catalog.end(dataset_id)
    if end is not None and end.state is not DatasetState.CANCELLED:
        raise StateConflict(f"{dataset_id} is {end.state} already")
    if end is None:
        catalog.cancel(dataset_id, utcnow())
        try:
            services.live.request_cancel(dataset_id)
        except TransientError as error:
            log.warning("cancelled %s in the store only: %s", dataset_id, error.detail)
        ring(services, dataset_id)
    return load_view(services, dataset_id).model_copy(update={"cancel_requested": True})


def delete(services: Services, dataset_id: str) -> None:
    """Make a dataset unreachable at once; its objects are removed by the control worker.
    NotFound."""
    with suppress(RecordCorrupt):  # what can't be read can still be removed
        services.catalog.request(dataset_id)
    services.catalog.delete(dataset_id, utcnow())
    services.admission.forget(dataset_id)
    try:
        services.live.remove(dataset_id)
    except TransientError as error:
        log.warning("deleted %s in the store only: %s", dataset_id, error.detail)
    ring(services, dataset_id)


def ring(services: Services, dataset_id: str) -> None:
    try:
        services.doorbell.ring(Reconcile(dataset_id=dataset_id))
    except TransientError as error:
        log.warning(
            "no bell for %s; the next reconcile or recover sees it: %s", dataset_id, error.detail
        )
