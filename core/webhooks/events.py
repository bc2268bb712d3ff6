"""What a webhook says: bodies and ids of events, made from records alone."""

import json
import secrets
from datetime import datetime
from typing import Any

from core.datasets.manifest import DatasetRecord, ManifestHead, ShardRecord
from core.webhooks.records import WebhookDelivery, new_delivery_id
from matteforge.schemas.datasets import DatasetState
from matteforge.schemas.webhooks import WebhookEvent

END_EVENTS = {
    DatasetState.COMPLETED: WebhookEvent.COMPLETED,
    DatasetState.FAILED: WebhookEvent.FAILED,
    DatasetState.CANCELLED: WebhookEvent.CANCELLED,
}
END_PLACE = 0  # before those of its shards: newest first
SHARD_PLACE = 10**6


def end_delivery(record: DatasetRecord, end: ManifestHead) -> WebhookDelivery | None:
    """What to tell of a dataset's end; None: nobody wants to know."""
    said = {
        "state": end.state.value,
        "counts": end.counts.model_dump(mode="json"),
        "error": end.error.model_dump(mode="json") if end.error else None,
        "labels": record.spec.labels,
    }
    return _delivery(record, END_EVENTS[end.state], END_PLACE, end.timestamps[end.state], said)


def shard_delivery(
    record: DatasetRecord, shard: ShardRecord, now: datetime
) -> WebhookDelivery | None:
    """What to tell of a committed shard; None: nobody wants to know."""
    said = {
        "shard": shard.model_dump(mode="json", include={"name", "samples", "size_bytes", "sha256"}),
        "labels": record.spec.labels,
    }
    return _delivery(record, WebhookEvent.SHARD, SHARD_PLACE - shard.shard, now, said)


def ping_delivery(tenant: str, url: str, now: datetime) -> WebhookDelivery:
    """A message that says nothing but that it arrives."""
    delivery_id = new_delivery_id(now, secrets.token_hex(12), 0)
    body = _body(WebhookEvent.PING, now, {})
    return WebhookDelivery(
        id=delivery_id, tenant=tenant, dataset_id=None, event=WebhookEvent.PING, url=url,
        body=body, created_at=now, next_at=now,
    )  # fmt: skip


def _delivery(
    record: DatasetRecord, event: WebhookEvent, place: int, at: datetime, said: dict[str, Any]
) -> WebhookDelivery | None:
    spec = record.spec
    if spec.webhook_url is None or event not in spec.webhook_events:
        return None
    path = f"/v1/datasets/{record.id}"
    links = {"self": path, "shards": f"{path}/shards"}
    return WebhookDelivery(
        id=new_delivery_id(record.created_at, record.id.removeprefix("ds_"), place),
        tenant=record.owner,
        dataset_id=record.id,
        event=event,
        url=spec.webhook_url,
        body=_body(event, at, {"id": record.id, **said, "links": links}),
        created_at=at,
        next_at=at,
    )


def _body(event: WebhookEvent, at: datetime, data: dict[str, Any]) -> str:
    return json.dumps({"type": event.value, "timestamp": at.isoformat(), "data": data})
