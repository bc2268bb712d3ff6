"""/v1/datasets/{id}/samples: what was delivered, sample by sample, while it is made and after."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from core import keys
from core.errors import NotFound
from matteforge.schemas.samples import SAMPLE_KEY, SAMPLE_MEMBER, SamplePage
from service.dependencies import DatasetId, ServicesDep, bearer
from service.problems import documented

router = APIRouter(prefix="/v1/datasets/{dataset_id}", tags=["samples"], dependencies=[bearer])

MEDIA_TYPES = {
    "png": "image/png",
    "webp": "image/webp",
    "jpg": "image/jpeg",
    "json": "application/json",
}
FOREVER = "private, max-age=31536000, immutable"  # a committed sample never changes
PREVIEW = "preview.webp"


async def _key(key: Annotated[str, Path(examples=["00000000000"])]) -> str:
    if re.fullmatch(SAMPLE_KEY, key, re.ASCII) is None:
        raise NotFound(f"there is no sample {key[:100]!r}")
    return key


async def _member(member: Annotated[str, Path(examples=["image.png"])]) -> str:
    if len(member) > 50 or re.fullmatch(SAMPLE_MEMBER, member, re.ASCII) is None:
        raise NotFound(f"there is no member {member[:100]!r}")
    return member


@router.get(
    "/samples", response_model=SamplePage, responses=documented(400, 404), summary="List samples",
)  # fmt: skip
def list_samples(
    dataset_id: DatasetId,
    services: ServicesDep,
    where: Annotated[
        str | None,
        Query(
            max_length=500,
            description="comparisons of columns with numbers or texts, joined by and, or, not",
            examples=["iou > 0.98 and coverage < 0.6"],
        ),
    ] = None,
    order: Annotated[
        str,
        Query(max_length=100, description="a column; `-` before it: the largest first"),
    ] = "key",
    cursor: Annotated[
        str | None, Query(max_length=500, description="next_cursor of the page before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> SamplePage:
    """Samples of committed shards, with paths of their members. While the dataset is made the first
    256 shards are looked at, and `complete` is false."""
    return services.samples.page(dataset_id, where=where, order=order, cursor=cursor, limit=limit)


@router.get(
    "/samples/{key}/{member}", response_class=Response,
    responses=documented(404) | {200: {"content": {"image/png": {}, "application/json": {}}}},
    summary="Read a member of a sample",
)  # fmt: skip
def get_member(
    dataset_id: DatasetId,
    key: Annotated[str, Depends(_key)],
    member: Annotated[str, Depends(_member)],
    services: ServicesDep,
) -> Response:
    """One picture or JSON, read from its shard; `image` or `image.png`."""
    suffix, content, sha256 = services.samples.member(dataset_id, key, member)
    return Response(
        content,
        media_type=MEDIA_TYPES.get(suffix.rpartition(".")[2], "application/octet-stream"),
        headers={"Cache-Control": FOREVER, "ETag": f'"{sha256}"'},
    )


@router.get(
    f"/{PREVIEW}", response_class=Response,
    responses=documented(404) | {200: {"content": {"image/webp": {}}}},
    summary="See some samples at a glance",
)  # fmt: skip
def preview(dataset_id: DatasetId, services: ServicesDep) -> Response:
    """Image, alpha and composite of some samples; from the first shard on."""
    services.catalog.request(dataset_id)
    try:
        content, info = services.store.get(keys.companion(dataset_id, PREVIEW))
    except NotFound:
        raise NotFound(f"{dataset_id} has no preview before its first shard") from None
    return Response(content, media_type="image/webp", headers={"ETag": info.etag})
