"""/v1/datasets/{id}/files: what lies beside the shards."""

from fastapi import APIRouter

from core import keys
from matteforge.schemas.files import FILES, FileList, FileOut
from service.dependencies import DatasetId, ServicesDep, bearer
from service.problems import documented

router = APIRouter(
    prefix="/v1/datasets/{dataset_id}/files", tags=["datasets"], dependencies=[bearer]
)


@router.get("", response_model=FileList, responses=documented(404), summary="List files")
def list_files(dataset_id: DatasetId, services: ServicesDep) -> FileList:
    """Card, tables, report and preview, with URLs that need no key and expire."""
    services.catalog.request(dataset_id)
    expires_s = services.settings.presign_expires_s
    found = {name: services.store.head(keys.companion(dataset_id, name)) for name in FILES}
    return FileList(
        items=[
            FileOut(
                name=name,
                size_bytes=info.size_bytes,
                url=services.store.presign_get(info.key, expires_s=expires_s),
            )
            for name, info in found.items()
            if info
        ]
    )
