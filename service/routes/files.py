"""/v1/datasets/{id}/files: what lies beside the shards."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from core import keys
from core.errors import NotFound
from matteforge.schemas.files import FILES, FileList, FileOut
from service.dependencies import DatasetId, ServicesDep, bearer
from service.object_response import object_response
from service.problems import documented

router = APIRouter(
    prefix="/v1/datasets/{dataset_id}/files", tags=["datasets"], dependencies=[bearer]
)


@router.get("", response_model=FileList, responses=documented(404), summary="List files")
def list_files(request: Request, dataset_id: DatasetId, services: ServicesDep) -> FileList:
    """Card, tables, report and preview, with URLs that need no key and expire; or, where the
    service sends shards itself, with its own."""
    services.catalog.request(dataset_id)
    expires_s = services.settings.presign_expires_s
    found = {name: services.store.head(keys.companion(dataset_id, name)) for name in FILES}
    return FileList(
        items=[
            FileOut(
                name=name,
                size_bytes=info.size_bytes,
                url=str(request.url_for("get_file", dataset_id=dataset_id, name=name))
                if services.settings.shards_by_api
                else services.store.presign_get(info.key, expires_s=expires_s),
            )
            for name, info in found.items()
            if info
        ]
    )


async def _file_name(name: Annotated[str, Path(examples=["samples.parquet"])]) -> str:
    if name not in FILES:
        raise NotFound(f"there is no file {name[:100]!r}; there may be {', '.join(FILES)}")
    return name


@router.get(
    "/{name}",
    response_class=Response,
    responses=documented(404, 416)
    | {
        200: {"description": "The file", "content": {"application/octet-stream": {}}},
        206: {"description": "A part of it", "content": {"application/octet-stream": {}}},
        304: {"description": "The file that you have"},
    },
    summary="Download a file",
)
def get_file(
    request: Request,
    dataset_id: DatasetId,
    name: Annotated[str, Depends(_file_name)],
    services: ServicesDep,
) -> Response:
    """One of them, with Range and If-Range."""
    services.catalog.request(dataset_id)
    info = services.store.head(keys.companion(dataset_id, name))
    if info is None:
        raise NotFound(f"{dataset_id} has no {name}; files are written when it ends")
    return object_response(
        request,
        services.store,
        info.key,
        size_bytes=info.size_bytes,
        etag=info.etag.strip('"'),
        media_type=MEDIA_TYPES.get(name.rpartition(".")[2], "application/octet-stream"),
    )


MEDIA_TYPES = {
    "md": "text/markdown",
    "json": "application/json",
    "html": "text/html",
    "webp": "image/webp",
    "parquet": "application/vnd.apache.parquet",
}
