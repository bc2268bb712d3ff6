"""/v1/audit: who changed what, newest first. For admins."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime

from core.audit import AuditBook
from matteforge.schemas.audit import AuditPage
from matteforge.schemas.keys import KEY_ID
from matteforge.schemas.names import NAME
from service.audit_trail import AuditTrail
from service.dependencies import ServicesDep, bearer
from service.parameters import Cursor
from service.problems import documented

router = APIRouter(prefix="/v1/audit", tags=["keys"], dependencies=[bearer])


async def _trail(request: Request) -> AuditTrail:
    trail: AuditTrail = request.app.state.audit_trail
    return trail


@router.get("", response_model=AuditPage, responses=documented(400), summary="Read the audit trail")
def read(
    services: ServicesDep,
    trail: Annotated[AuditTrail, Depends(_trail)],
    key: Annotated[str | None, Query(pattern=KEY_ID, description="only this key's")] = None,
    tenant: Annotated[str | None, Query(pattern=NAME, description="only this tenant's")] = None,
    since: Annotated[AwareDatetime | None, Query(description="at this time, or later")] = None,
    until: Annotated[AwareDatetime | None, Query(description="before this time")] = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> AuditPage:
    """Every request that may have changed something, refused ones too. Other processes' lines are
    here a second after their answer."""
    trail.flush()
    items, next_cursor = AuditBook(services.store).page(
        key=key, tenant=tenant, since=since, until=until, cursor=cursor, limit=limit
    )
    return AuditPage(items=items, next_cursor=next_cursor)
