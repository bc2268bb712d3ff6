"""The audit trail on the wire: who changed what, and when."""

from datetime import datetime

from pydantic import Field

from matteforge.schemas.base import Wire


class AuditLine(Wire):
    """One request that may have changed something, refused ones too."""

    at: datetime
    request_id: str = Field(description="X-Request-ID of the answer")
    key: str | None = Field(description="id of the key; null: none that is known")
    tenant: str | None
    method: str
    path: str
    status: int
    change: str | None = Field(None, description="what it changed, where the path does not tell")


class AuditPage(Wire):
    """Lines, newest first. A page may be empty before the last one."""

    items: list[AuditLine]
    next_cursor: str | None = Field(
        description="pass as `cursor` for the next page; null on the last one"
    )
