"""Server-sent events from something that is looked at again and again: one loop for all streams.

FastAPI writes the frames, and a comment every 15 s in which nothing was told.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from core.errors import NotFound, TransientError
from service.problems import documented


class Follower(Protocol):
    """What a stream looks at. `look` may wait: it runs in a thread."""

    ended: bool
    """Whether the last look told the end."""

    def look(self) -> list[ServerSentEvent]:
        """What has happened since the last look. NotFound: it was deleted meanwhile."""


async def follow(follower: Follower, poll_s: float) -> AsyncIterator[ServerSentEvent]:
    """Events until the end or the deletion; a store that is away for a while tells nothing."""
    while True:
        try:
            news = await run_in_threadpool(follower.look)
        except NotFound:
            return
        except TransientError:
            news = []
        for event in news:
            yield event
        if follower.ended:
            return
        await asyncio.sleep(poll_s)


def documented_stream(description: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that streams events or answers 404."""
    body = {"text/event-stream": {"schema": {"type": "string"}}}
    return documented(404) | {200: {"description": description, "content": body}}
