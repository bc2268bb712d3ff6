"""Progress as server-sent events: read, resumed where it broke off, ended."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, TypedDict

import httpx
from httpx_sse import ServerSentEvent, aconnect_sse, connect_sse

from matteforge.calls import path_of
from matteforge.errors import MatteForgeRequestError, MatteForgeUnavailable
from matteforge.schemas.datasets import DatasetState
from matteforge.transport import AsyncTransport, Transport, pauses, problem_of

SILENCE_S = 60.0  # a stream speaks every 15 s: httpx-sse takes such a comment for an empty event


class EventOut(TypedDict):
    """A server-sent event: snapshot, shard or state."""

    id: str | None
    kind: str
    data: dict[str, Any]


class Reading:
    """Where a reader is in a stream, and what a break means. No network."""

    def __init__(self, stream: "EventStream", attempts: int) -> None:
        self.path = path_of(stream.kind, stream.name, "events")
        self.ended = False
        self._name, self._attempts = stream.name, attempts
        self._last_event_id = stream.last_event_id
        self._waits = pauses(attempts)
        self._failure: Exception | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Last-Event-ID": self._last_event_id} if self._last_event_id else {}

    def take(self, event: ServerSentEvent) -> EventOut:
        """The event; from here the stream is resumed."""
        self._waits, self._failure = pauses(self._attempts), None
        self._last_event_id = event.id or self._last_event_id
        data = json.loads(event.data)
        self.ended = DatasetState(data.get("state", "queued")).terminal
        return EventOut(id=event.id or None, kind=event.event, data=data)

    def broke(self, error: Exception) -> None:
        """Notes a break. What was deleted meanwhile has ended; a refusal is raised."""
        if isinstance(error, MatteForgeRequestError):
            if error.code != "not_found" or self._last_event_id is None:
                raise error
            self.ended = True
        self._failure = error

    def wait_s(self) -> float:
        """Seconds before the stream is opened again; MatteForgeUnavailable when tries are spent."""
        wait_s = next(self._waits, None)
        if wait_s is None:
            raise MatteForgeUnavailable(
                f"the events of {self._name} broke off: {self._failure}"
            ) from self._failure
        return wait_s


BREAKS = (httpx.TransportError, MatteForgeUnavailable, MatteForgeRequestError)


def _check(response: httpx.Response) -> None:
    """Raises what an error response stands for; its body must have been read."""
    if response.status_code >= 400:
        refusal = MatteForgeRequestError(problem_of(response))
        raise refusal if response.status_code < 500 else MatteForgeUnavailable(str(refusal))


@dataclass(frozen=True)
class EventStream:
    """The events of something until its end, or until it was deleted."""

    kind: str  # datasets or matte-batches
    name: str  # the id of one
    last_event_id: str | None  # begin with the one after it; None: at the beginning

    def read(self, transport: Transport) -> Iterator[EventOut]:
        reading = Reading(self, transport.attempts)
        while not reading.ended:
            try:
                with connect_sse(
                    transport.http, "GET", reading.path, headers=reading.headers, timeout=SILENCE_S
                ) as source:
                    if source.response.status_code >= 400:
                        source.response.read()
                    _check(source.response)
                    for event in source.iter_sse():
                        if event.data:
                            yield reading.take(event)
                        if reading.ended:
                            return
            except BREAKS as error:
                reading.broke(error)
            if not reading.ended:
                transport.sleep(reading.wait_s())

    async def read_async(self, transport: AsyncTransport) -> AsyncIterator[EventOut]:
        reading = Reading(self, transport.attempts)
        while not reading.ended:
            try:
                async with aconnect_sse(
                    transport.http, "GET", reading.path, headers=reading.headers, timeout=SILENCE_S
                ) as source:
                    if source.response.status_code >= 400:
                        await source.response.aread()
                    _check(source.response)
                    async for event in source.aiter_sse():
                        if event.data:
                            yield reading.take(event)
                        if reading.ended:
                            return
            except BREAKS as error:
                reading.broke(error)
            if not reading.ended:
                await asyncio.sleep(reading.wait_s())
