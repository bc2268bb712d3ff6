"""/v1/datasets/{id}/shards: each as soon as it is committed."""

import base64
import binascii
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse

from core import keys
from core.errors import InvalidCursor, NotFound
from matteforge.schemas.datasets import ShardPage
from service.dependencies import DatasetId, Services, ServicesDep, ShardName, bearer
from service.problems import documented, located
from service.wire import shard_out

router = APIRouter(
    prefix="/v1/datasets/{dataset_id}/shards", tags=["shards"], dependencies=[bearer]
)


@router.get("", response_model=ShardPage, responses=documented(400, 404), summary="List shards")
def list_shards(
    dataset_id: DatasetId,
    services: ServicesDep,
    cursor: Annotated[
        str | None, Query(max_length=100, description="next_cursor of the page before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ShardPage:
    """Committed shards in shard order, with URLs that need no key and expire."""
    total = services.catalog.request(dataset_id).plan.shards_total
    after = -1 if cursor is None else _decode(cursor)
    found = services.catalog.shard_records(dataset_id, after=after, limit=limit + 1, total=total)
    records = list(islice(found, limit + 1))
    shown = records[:limit]
    items = [shard_out(record, _presign(services, dataset_id, record.shard)) for record in shown]
    return ShardPage(
        items=items, next_cursor=_encode(shown[-1].shard) if len(records) > limit else None
    )


@router.get(
    "/{name}",
    status_code=307,
    response_class=RedirectResponse,
    responses=documented(404) | located(307, "To a presigned URL"),
    summary="Download a shard",
)
def get_shard(dataset_id: DatasetId, name: ShardName, services: ServicesDep) -> str:
    """A redirect to the tar; Range requests work there."""
    shard = services.catalog.request(dataset_id).plan.shard_of(int(name[-10:-4]))
    record = None if shard is None else services.catalog.shard_record(dataset_id, shard)
    if shard is None or record is None or record.name != name:
        raise NotFound(f"{dataset_id} has no shard {name} yet")
    return _presign(services, dataset_id, shard)


def _presign(services: Services, dataset_id: str, shard: int) -> str:
    return services.store.presign_get(
        keys.shard_tar(dataset_id, shard), expires_s=services.settings.presign_expires_s
    )


def _encode(shard: int) -> str:
    return base64.urlsafe_b64encode(f"s{shard}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> int:
    try:
        text = base64.b64decode(
            cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        ).decode("ascii")
    except (ValueError, binascii.Error):
        raise InvalidCursor from None
    if not (text.startswith("s") and text[1:].isdecimal() and len(text) <= 7):
        raise InvalidCursor
    return int(text[1:])
