"""Server-sent events from something that is looked at again and again: one loop for all streams.

FastAPI writes the frames, and a comment every 15 s in which nothing was told.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from core.errors import NotFound, QuotaExceeded, TransientError
from core.keyring import ApiKey, KeyRing
from matteforge.schemas.keys import Scope
from service.dependencies import KeyDep
from service.problems import documented

MAX_STREAMS = 200
"""A key may have so many open in one process: each is looked at twice a second."""


class Follower(Protocol):
    """What a stream looks at. `look` may wait: it runs in a thread."""

    ended: bool
    """Whether the last look told the end."""

    def look(self) -> list[ServerSentEvent]:
        """What has happened since the last look. NotFound: it was deleted meanwhile."""


@dataclass(frozen=True)
class StreamReader:
    """Who follows a stream."""

    key: ApiKey
    keyring: KeyRing
    streams: Counter[str]  # open in this process, by key

    def may_read(self) -> bool:
        """Whether the key still counts, and may still read."""
        now = self.keyring.by_hash(self.key.sha256, wait=False)
        return now is not None and now.may(Scope.READ)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """For as long as a stream is open."""
        self.streams[self.key.id] += 1
        try:
            yield
        finally:
            self.streams[self.key.id] -= 1


async def _reader(request: Request, key: KeyDep) -> StreamReader:
    """Raises QuotaExceeded where the key has as many streams as it may."""
    state = request.app.state
    if state.streams[key.id] >= MAX_STREAMS:
        raise QuotaExceeded(
            f"this key follows {MAX_STREAMS} streams already; close one, or look now and then "
            "instead",
            retry_after_s=30,
        )
    return StreamReader(key, state.keyring, state.streams)


StreamReaderDep = Annotated[StreamReader, Depends(_reader)]


async def follow(
    follower: Follower, poll_s: float, reader: StreamReader
) -> AsyncIterator[ServerSentEvent]:
    """Events until the end or the deletion, or until the reader may read no more; a store that is
    away for a while tells nothing."""

    def look() -> list[ServerSentEvent] | None:
        return follower.look() if reader.may_read() else None

    with reader.counted():
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
