"""What the API does with datasets. S3 decides; Redis and the broker may be down without an order
being lost."""

import hashlib
import json
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress

from core.datasets.catalog import Catalog
from core.datasets.dataset import DatasetView, new_dataset_id, utcnow
from core.datasets.manifest import DatasetRecord
from core.datasets.plan import Plan, choose_batch_size, make_plan
from core.errors import (
    CheckpointRejected,
    IdempotencyMismatch,
    InvalidSpec,
    NotFound,
    RecordCorrupt,
    SourceUnavailable,
    StateConflict,
    TransientError,
)
from core.keyring import ApiKey
from core.messages import Reconcile
from matteforge.schemas.datasets import Counts, DatasetState
from matteforge.schemas.orders import AnySpec, RenderedSpec
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


def place_order(
    services: Services, key: ApiKey, spec: AnySpec, idempotency_key: str | None
) -> DatasetView:
    """Claim a dataset for the order, or answer with the one that the same key claimed before.

    Raises InvalidSpec, SourceUnavailable, IdempotencyMismatch (same key, other body), StateConflict
    (that dataset was deleted), QuotaExceeded, StorageFull.
    """
    dataset_id = new_dataset_id(key.tenant, idempotency_key)
    body_sha256 = _fingerprint(spec)
    if idempotency_key is not None and (view := _replay(services, dataset_id, body_sha256)):
        return view
    plan = plan_order(services, key, spec)
    record = DatasetRecord(
        id=dataset_id,
        owner=key.tenant,
        spec=spec.model_copy(update={"seed": plan.seed, "shard_size": plan.shard_size}),
        plan=plan,
        created_at=utcnow(),
        body_sha256=body_sha256,
    )
    resolution = services.registry.bundle(plan.bundle).resolution
    with services.admission.placing(key, plan, resolution) as placing:
        if not services.catalog.claim(record):
            if view := _replay(services, dataset_id, body_sha256):
                return view
            raise StateConflict(f"{dataset_id} is being deleted")
        placing.done(dataset_id)
        view = _new_view(record)
        _show(services, view)
    _ring(services, dataset_id)
    return view


def _show(services: Services, view: DatasetView) -> None:
    """Put a new dataset into the live view."""
    try:
        services.live.put(view)
    except TransientError as error:
        log.warning(
            "%s is claimed, but not in the live view until it is recovered: %s",
            view.id,
            error.detail,
        )


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
        _ring(services, dataset_id)
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
    _ring(services, dataset_id)


NEWER_FIELDS: dict[str, object] = {
    "domain": "humans",
    "framing": "free",
    "splits": {},
    "background": "builtin",
}
"""With the values that stand for what was ordered before there were these fields."""


def _fingerprint(spec: AnySpec) -> str:
    """Fingerprint of an order as its first version said it, so that an older replay is known again.

    No two sources have the same fields.
    """
    fields = spec.model_dump(mode="json", exclude={"source"})
    newer = NEWER_FIELDS | ({} if isinstance(spec, RenderedSpec) else {"members": []})
    for name, value in newer.items():
        if fields.get(name) == value:
            del fields[name]
    if fields["shard_size"] is None:
        fields["shard_size"] = 100 if isinstance(spec, RenderedSpec) else 1000
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _replay(services: Services, dataset_id: str, body_sha256: str) -> DatasetView | None:
    if services.catalog.has_tombstone(dataset_id, "deleted"):
        raise StateConflict(
            "the dataset of this Idempotency-Key was deleted; send a new key with a new order"
        )
    try:
        record = services.catalog.request(dataset_id)
    except NotFound:
        return None
    if record.body_sha256 != body_sha256:
        raise IdempotencyMismatch
    return load_view(services, dataset_id)


def plan_order(services: Services, key: ApiKey, spec: AnySpec) -> Plan:
    """What an order comes to. Raises InvalidSpec, SourceUnavailable."""
    if isinstance(spec, RenderedSpec) and not services.settings.rendered:
        raise SourceUnavailable(
            "this service renders nothing: a worker of its queue `render` needs "
            "`pip install '.[portraits]'`, and its API MATTEFORGE_RENDERED=1"
        )
    try:
        digest = services.registry.resolve(spec.model, key.reads)
        bundle = services.registry.bundle(digest)
    except (NotFound, CheckpointRejected) as error:
        raise InvalidSpec(error.detail) from error
    return make_plan(
        spec,
        seed=secrets.randbelow(2**63) if spec.seed is None else spec.seed,
        bundle=digest,
        thresholds=bundle.thresholds,
        batch_size=_batch_size(services, bundle.resolution),
        threads=services.settings.threads,
        max_attempts_per_sample=services.settings.max_attempts_per_sample,
    )


def _batch_size(services: Services, resolution: int) -> int:
    settings = services.settings
    device_class = "cuda" if settings.device == "cuda" else "cpu"
    return settings.batch_size or choose_batch_size(device_class, resolution)


def _new_view(record: DatasetRecord) -> DatasetView:
    return DatasetView(
        id=record.id,
        owner=record.owner,
        state=DatasetState.QUEUED,
        spec=record.spec,
        bundle=record.plan.bundle,
        counts=Counts(requested=record.plan.count, shards_total=record.plan.shards_total),
        timestamps={DatasetState.QUEUED: record.created_at},
    )


def _ring(services: Services, dataset_id: str) -> None:
    try:
        services.doorbell.ring(Reconcile(dataset_id=dataset_id))
    except TransientError as error:
        log.warning(
            "no bell for %s; the next reconcile or recover sees it: %s", dataset_id, error.detail
        )
