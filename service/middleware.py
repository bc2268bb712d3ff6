"""What surrounds every request, as plain ASGI: the key check and the bound on bodies. The body is
read by neither."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import MatteForgeError, StoreUnavailable, Unauthorized
from service.problems import error_response
from service.sessions import CONSOLE_HEADER, COOKIE, SAFE_METHODS, Sessions

OPEN_PATHS = frozenset({"/", "/session", "/healthz", "/readyz", "/docs", "/openapi.json"})
CONSOLE_FILES = "/console"
DOCS_FILES = (
    "/docs/files"  # script and style of /docs, served from here: a browser needs no other host
)
KEY_CACHE_S = 60.0
KEY_WAIT_S = 2.0
KEY_THREADS = 2
MAX_KEY = 512
MAX_CACHED_KEYS = 1000


class BearerAuth:
    """Lets a request pass with a valid `Authorization: Bearer KEY`, or with the console's session;
    puts the key's owner into request.state.owner."""

    def __init__(
        self, app: ASGIApp, owner_of: Callable[[str], str | None], sessions: Sessions | None = None
    ) -> None:
        self._app = app
        self._owner_of = owner_of
        self._sessions = sessions
        self._pool = ThreadPoolExecutor(KEY_THREADS, thread_name_prefix="keys")
        self._known: dict[str, tuple[str, float]] = {}  # key -> (owner, until); valid keys only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            owner = await self._authorised(HTTPConnection(scope))
        except MatteForgeError as error:
            await error_response(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["owner"] = owner
        await self._app(scope, receive, send)

    async def _authorised(self, request: HTTPConnection) -> str:
        token = request.cookies.get(COOKIE)
        if "authorization" in request.headers or self._sessions is None or token is None:
            return await self._owner(request.headers.get("authorization", ""))
        if request.scope["method"] not in SAFE_METHODS and CONSOLE_HEADER not in request.headers:
            raise Unauthorized(
                f"with a session's cookie, a change needs the header {CONSOLE_HEADER}"
            )
        owner = await self._looked_up(self._sessions.owner, token)
        if owner is None:
            raise Unauthorized("the session has ended; sign in again")
        return owner

    async def _owner(self, header: str) -> str:
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or not key or len(key) > MAX_KEY:
            raise Unauthorized
        owner, until = self._known.get(key, (None, 0.0))
        if owner is not None and time.monotonic() < until:
            return owner
        owner = await self._looked_up(self._owner_of, key)
        if owner is None:
            self._known.pop(key, None)
            raise Unauthorized
        if len(self._known) >= MAX_CACHED_KEYS:
            self._known.clear()
        self._known[key] = owner, time.monotonic() + KEY_CACHE_S
        return owner

    async def _looked_up(self, owner_of: Callable[[str], str | None], secret: str) -> str | None:
        """The owner of a key or session, from a small pool of its own: however many are tried
        while the store hangs, no other request waits for a thread.
        """
        look = asyncio.get_running_loop().run_in_executor(self._pool, owner_of, secret)
        try:
            return await asyncio.wait_for(look, KEY_WAIT_S)
        except TimeoutError:
            raise StoreUnavailable("the object store, which holds the keys, hangs") from None


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
