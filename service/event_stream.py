"""Server-sent events from something that is looked at again and again: one loop for all streams.

FastAPI writes the frames, and a comment every 15 s in which nothing was told.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from core.errors import NotFound, TransientError
from core.keyring import KeyRing
from matteforge.schemas.keys import Scope
from service.dependencies import KeyDep
from service.problems import documented


class Follower(Protocol):
    """What a stream looks at. `look` may wait: it runs in a thread."""

    ended: bool
    """Whether the last look told the end."""

    def look(self) -> list[ServerSentEvent]:
        """What has happened since the last look. NotFound: it was deleted meanwhile."""


async def _reader(request: Request, key: KeyDep) -> Callable[[], bool]:
    """Whether the key that opened a stream still counts, and may still read."""
    keyring: KeyRing = request.app.state.keyring

    def may_read() -> bool:
        now = keyring.by_hash(key.sha256)
        return now is not None and now.may(Scope.READ)

    return may_read


Reader = Annotated[Callable[[], bool], Depends(_reader)]


async def follow(
    follower: Follower, poll_s: float, may_read: Callable[[], bool]
) -> AsyncIterator[ServerSentEvent]:
    """Events until the end or the deletion, or until the caller may read no more; a store that is
    away for a while tells nothing."""

    def look() -> list[ServerSentEvent] | None:
        return follower.look() if may_read() else None

    while True:
        try:
            news = await run_in_threadpool(look)
        except NotFound:
            return
        except TransientError:
            news = []
        if news is None:
            return
        for event in news:
            yield event
        if follower.ended:
            return
        await asyncio.sleep(poll_s)


def documented_stream(description: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that streams events or answers 404."""
    body = {"text/event-stream": {"schema": {"type": "string"}}}
    return documented(404) | {200: {"description": description, "content": body}}
