"""Orders of datasets: checked, planned, claimed; repeated, they are found again."""

import logging
import secrets
from typing import Any

from core.corpora import CorpusBook
from core.datasets.dataset import DatasetView, new_dataset_id, utcnow
from core.datasets.manifest import DatasetRecord
from core.datasets.plan import BackgroundPool, Plan, choose_batch_size, make_plan
from core.errors import (
    CheckpointRejected,
    IdempotencyMismatch,
    InvalidSpec,
    NotFound,
    SourceUnavailable,
    StateConflict,
    TransientError,
)
from core.keyring import ApiKey
from core.retention import end_of
from matteforge.schemas.corpora import CorpusKind
from matteforge.schemas.datasets import Counts, DatasetState
from matteforge.schemas.orders import AnySpec, RenderedSpec
from service.datasets import load_view, ring
from service.dependencies import Services
from service.fingerprint import fingerprint
from service.webhooks import check_receiver

log = logging.getLogger(__name__)


def place_order(
    services: Services, key: ApiKey, spec: AnySpec, idempotency_key: str | None
) -> DatasetView:
    """Claim a dataset for the order, or answer with the one that the same key claimed before.

    Raises InvalidSpec, SourceUnavailable, IdempotencyMismatch (same key, other body), StateConflict
    (that dataset was deleted), QuotaExceeded, StorageFull.
    """
    dataset_id = new_dataset_id(key.tenant, idempotency_key)
    body_sha256 = fingerprint(spec)
    if idempotency_key is not None and (view := known_order(services, dataset_id, body_sha256)):
        return view
    if spec.derived_from is not None:
        raise InvalidSpec(
            "derived_from is set by POST /v1/datasets/{id}/subsets, extend and regenerate; leave "
            "it out"
        )
    check_receiver(services, key.tenant, spec)
    plan = plan_order(services, key, spec)
    return claim_order(services, key, dataset_id, spec, plan, body_sha256)


def claim_order(
    services: Services, key: ApiKey, dataset_id: str, spec: AnySpec, plan: Plan, body_sha256: str
) -> DatasetView:
    """Claim a dataset for what was planned. Raises as `place_order`."""
    now = utcnow()
    record = DatasetRecord(
        id=dataset_id,
        owner=key.tenant,
        spec=spec.model_copy(update=_settled(plan)),
        plan=plan,
        created_at=now,
        expires_at=end_of(spec, now, services.settings.retention_days),
        body_sha256=body_sha256,
    )
    resolution = services.registry.bundle(plan.bundle).resolution
    with services.admission.placing(key, dataset_id, plan, resolution) as placing:
        if not services.catalog.claim(record):
            if view := known_order(services, dataset_id, body_sha256):
                return view
            raise StateConflict(f"{dataset_id} is being deleted")
        placing.done()
        view = _new_view(record)
        _show(services, view)
    ring(services, dataset_id)
    return view


def _settled(plan: Plan) -> dict[str, Any]:
    """What an order may leave open, as it was decided."""
    settled: dict[str, Any] = {"seed": plan.seed, "shard_size": plan.shard_size}
    return settled if plan.render else settled | {"truncation_psi": plan.psi}


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


def known_order(services: Services, dataset_id: str, body_sha256: str) -> DatasetView | None:
    """The dataset that was claimed before for the same body; None: there is none. Raises
    StateConflict when it was deleted, IdempotencyMismatch when the body was another."""
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


def check_source(services: Services, spec: AnySpec) -> None:
    """Raises SourceUnavailable where nobody can make what is ordered."""
    if isinstance(spec, RenderedSpec) and not services.settings.rendered:
        raise SourceUnavailable(
            "this service renders nothing: a worker of its queue `render` needs "
            "`pip install '.[portraits]'`, and its API MATTEFORGE_RENDERED=1"
        )


def plan_order(services: Services, key: ApiKey, spec: AnySpec) -> Plan:
    """What an order comes to. Raises InvalidSpec, SourceUnavailable."""
    check_source(services, spec)
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
        truncation_psi=bundle.truncation_psi,
        backgrounds=_backgrounds(services, key, spec.background),
    )


def _backgrounds(services: Services, key: ApiKey, background: str) -> BackgroundPool | None:
    """The corpus that is named, as it is now. Raises InvalidSpec."""
    if not background.startswith("corpus:"):
        return None
    try:
        corpus = CorpusBook(services.store).get(background.removeprefix("corpus:"), key.reads)
    except NotFound as error:
        raise InvalidSpec(f"background: {error.detail}") from error
    if corpus.kind is CorpusKind.PAIRS:
        raise InvalidSpec(
            f"background: the corpus {corpus.name} holds pairs, people that is; one of backgrounds "
            "or images is needed"
        )
    shards = {shard.name: shard.sha256 for shard in corpus.shards}
    return BackgroundPool(corpus=corpus.name, digest=corpus.digest, shards=shards)


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
        expires_at=record.expires_at,
    )
