"""What surrounds every request, as plain ASGI: the key check and the bound on bodies. The body is
read by neither."""

import math
import time
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import (
    Forbidden,
    MatteForgeError,
    TransientError,
    Unauthorized,
)
from core.keyring import ApiKey, KeyRing
from service.lookups import Lookups
from service.problems import error_response
from service.scopes import needed
from service.sessions import CONSOLE_HEADER, COOKIE, READ_BY_POST, SAFE_METHODS, Sessions

OPEN_PATHS = frozenset({"/", "/session", "/healthz", "/readyz", "/docs", "/openapi.json"})
CONSOLE_FILES = "/console"
DOCS_FILES = (
    "/docs/files"  # script and style of /docs, served from here: a browser needs no other host
)
KEY_FRESH_S = 0.5  # with KeyRing's half a second: revoked within one
KEY_STALE_S = 60.0
AWAY_S = 5.0
MAX_KEY = 512
MAX_CACHED_KEYS = 1000


class BearerAuth:
    """Lets a request pass with a valid `Authorization: Bearer KEY`, or with the console's session,
    if that key may do it (service.scopes); puts the key into request.state.key.

    A key that was looked up less than KEY_FRESH_S ago is not looked up again; a session always is.
    While the store is away, keys that it knew in the last KEY_STALE_S still count.
    """

    def __init__(
        self,
        app: ASGIApp,
        keyring: KeyRing,
        sessions: Sessions | None = None,
        lookups: Lookups | None = None,
    ) -> None:
        self._app = app
        self._keyring = keyring
        self._sessions = sessions
        self._lookups = lookups or Lookups()
        self._known: dict[str, tuple[ApiKey, float]] = {}  # secret -> (key, looked up at)
        self._away_until_s = -math.inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            key = await self._authorised(HTTPConnection(scope))
            wanted = needed(scope["method"], scope["path"])
            if not key.may(wanted):
                raise Forbidden(f"this key lacks the scope {wanted}; it has {_listed(key)}")
        except MatteForgeError as error:
            await error_response(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["key"] = key
        await self._app(scope, receive, send)

    async def _authorised(self, request: HTTPConnection) -> ApiKey:
        token = request.cookies.get(COOKIE)
        if "authorization" in request.headers or self._sessions is None or token is None:
            scheme, _, secret = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not secret or len(secret) > MAX_KEY:
                raise Unauthorized
            return await self._key(secret, self._keyring.find, Unauthorized(), KEY_FRESH_S)
        changes = (
            request.scope["method"] not in SAFE_METHODS
            and request.scope["path"] not in READ_BY_POST
        )
        if changes and CONSOLE_HEADER not in request.headers:
            raise Unauthorized(
                f"with a session's cookie, a change needs the header {CONSOLE_HEADER}"
            )
        return await self._key(
            token, self._of_session, Unauthorized("the session has ended; sign in again"), 0.0
        )

    def _of_session(self, token: str) -> ApiKey | None:
        owner = self._sessions.owner(token) if self._sessions else None
        return self._keyring.by_hash(owner) if owner else None

    async def _key(
        self,
        secret: str,
        find: Callable[[str], ApiKey | None],
        unknown: Unauthorized,
        fresh_s: float,
    ) -> ApiKey:
        now_s = time.monotonic()
        known, at_s = self._known.get(secret, (None, -math.inf))
        stale = known if now_s - at_s < KEY_STALE_S else None
        if known and now_s - at_s < fresh_s:
            return known
        if stale and now_s < self._away_until_s:
            return stale
        try:
            found = await self._lookups.run(find, secret)
        except TransientError:
            self._away_until_s = time.monotonic() + AWAY_S
            if stale is None:
                raise
            return stale
        if found is None:
            self._known.pop(secret, None)
            raise unknown
        if len(self._known) >= MAX_CACHED_KEYS:
            self._known.clear()
        self._known[secret] = found, now_s
        return found


def _listed(key: ApiKey) -> str:
    return ", ".join(key.scopes)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith((DOCS_FILES + "/", CONSOLE_FILES + "/"))


class BodyLimit:
    """Refuses bodies above `max_bytes` with 413, by Content-Length or by counting what arrives.
    `larger`: limits of single paths."""

    def __init__(
        self, app: ASGIApp, max_bytes: int, larger: Mapping[str, int] | None = None
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        left = most = self._larger.get(scope["path"], self._max_bytes)

        async def bounded() -> Message:
            nonlocal left
            if announced.isdecimal() and int(announced[:20]) > most:
                raise _too_large(most)
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise _too_large(most)
            return message

        await self._app(scope, bounded, send)


def _too_large(most: int) -> HTTPException:
    return HTTPException(413, f"a body may have at most {most} bytes")
