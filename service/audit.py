"""The audit log: who changed what and when, one line of JSON a request, on the logger
`matteforge.audit`, and in the store (core.audit)."""

import json
import logging
import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.datasets.dataset import utcnow
from matteforge.schemas.audit import AuditLine
from service.audit_trail import AuditTrail
from service.sessions import SAFE_METHODS

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,100}")
HEADER = "x-request-id"
MAX_PATH = 500

log = logging.getLogger("matteforge.audit")


class Audit:
    """Gives every answer an X-Request-ID, the caller's own where it sends one, and logs every
    request that may change something, refused ones too; the store gets those with a known key.
    Bodies and secrets are never logged."""

    def __init__(self, app: ASGIApp, trail: AuditTrail) -> None:
        self._app = app
        self._trail = trail
        if not log.handlers:
            log.addHandler(logging.StreamHandler())  # uvicorn shows its own loggers only
            log.setLevel(logging.INFO)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        status = 500

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, named)
        finally:
            if scope["method"] not in SAFE_METHODS:
                line = _line(scope, request_id, status)
                log.info("%s", json.dumps(line.model_dump(mode="json")))
                if line.key:  # strangers don't fill the store
                    self._trail.add(line)


def note(request: Request, change: str) -> None:
    """Say in the request's line what it changed, where its path does not tell."""
    request.state.change = change


def _line(scope: Scope, request_id: str, status: int) -> AuditLine:
    state = scope.get("state", {})
    key = state.get("key")
    return AuditLine(
        at=utcnow(),
        request_id=request_id,
        key=key.id if key else None,
        tenant=key.tenant if key else None,
        method=scope["method"],
        path=scope["path"][:MAX_PATH],
        status=status,
        change=state.get("change"),
    )
