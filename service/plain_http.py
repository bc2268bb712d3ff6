"""What plain HTTP clients and proxies expect, as ASGI: HEAD, and a prefix that a proxy strips."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ENDLESS = "/events"  # streams have no head of their own


class _HeadSent(BaseException):
    """Ends what answers a HEAD, once the head is sent: nothing of a body is read."""


class HeadAsGet:
    """Answers HEAD as GET without its body. Lies behind all that knows the true method."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"].endswith(ENDLESS):
            await self._app(scope, receive, send)
            return

        async def head_alone(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.start":
                await send({"type": "http.response.body", "body": b""})
                raise _HeadSent

        scope["method"] = "GET"
        try:
            await self._app(scope, receive, head_alone)
        except* _HeadSent:
            pass
        finally:
            scope["method"] = "HEAD"


class Prefixed:
    """Puts the prefix back that a reverse proxy strips: into Location, and by ASGI's root_path into
    the reference. `links` in answers are paths below the prefix."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def prefixed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                location = headers.get("location", "")
                if location.startswith("/") and not location.startswith("//"):
                    headers["location"] = self._prefix + location
            await send(message)

        if scope["type"] != "http" or not self._prefix:
            await self._app(scope, receive, send)
            return
        scope["root_path"] = self._prefix
        await self._app(scope, receive, prefixed)
