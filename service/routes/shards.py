"""/v1/datasets/{id}/shards: each as soon as it is committed."""

import base64
import binascii
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from core import keys
from core.errors import InvalidCursor, NotFound
from matteforge.schemas.datasets import ShardPage
from service.dependencies import DatasetId, Services, ServicesDep, ShardName, bearer
from service.object_response import object_response
from service.parameters import Cursor
from service.problems import documented, located
from service.wire import shard_out

TAR = "application/x-tar"
TARS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The tar", "content": {TAR: {}}},
    206: {"description": "A part of the tar", "content": {TAR: {}}},
    304: {"description": "The tar that you have"},
}
router = APIRouter(
    prefix="/v1/datasets/{dataset_id}/shards", tags=["shards"], dependencies=[bearer]
)


@router.get("", response_model=ShardPage, responses=documented(400, 404), summary="List shards")
def list_shards(
    request: Request,
    dataset_id: DatasetId,
    services: ServicesDep,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ShardPage:
    """Committed shards in shard order, with URLs that need no key and expire; or, where the service
    sends shards itself, with its own."""
    total = services.catalog.request(dataset_id).plan.shards_total
    after = -1 if cursor is None else _decode(cursor)
    found = services.catalog.shard_records(dataset_id, after=after, limit=limit + 1, total=total)
    records = list(islice(found, limit + 1))
    shown = records[:limit]
    items = [
        shard_out(record, _url(request, services, dataset_id, record.name, record.shard))
        for record in shown
    ]
    return ShardPage(
        items=items, next_cursor=_encode(shown[-1].shard) if len(records) > limit else None
    )


@router.get(
    "/{name}", status_code=307, response_class=RedirectResponse,
    responses=documented(404, 416) | located(307, "To a presigned URL") | TARS,
    summary="Download a shard",
)  # fmt: skip
def get_shard(
    request: Request, dataset_id: DatasetId, name: ShardName, services: ServicesDep
) -> Response:
    """A redirect to the tar; Range requests work there. Where the service sends shards itself
    (shards_by_api), the tar, with Range and If-Range; its ETag is its SHA-256."""
    shard = services.catalog.request(dataset_id).plan.shard_of(int(name[-10:-4]))
    record = None if shard is None else services.catalog.shard_record(dataset_id, shard)
    if shard is None or record is None or record.name != name:
        raise NotFound(f"{dataset_id} has no shard {name} yet")
    if not services.settings.shards_by_api:
        return RedirectResponse(_presign(services, dataset_id, shard))
    return object_response(
        request,
        services.store,
        keys.shard_tar(dataset_id, shard),
        size_bytes=record.size_bytes,
        etag=record.sha256,
        media_type=TAR,
    )


def _url(request: Request, services: Services, dataset_id: str, name: str, shard: int) -> str:
    if services.settings.shards_by_api:
        return str(request.url_for("get_shard", dataset_id=dataset_id, name=name))
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
