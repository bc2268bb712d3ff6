"""/v1/datasets/{id}/events: progress as server-sent events."""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from core.datasets.dataset import DatasetView, utcnow
from core.errors import TransientError
from core.ports import Event
from matteforge.schemas.datasets import DatasetState, InWork
from service.datasets import load_view
from service.dependencies import DatasetId, Services, ServicesDep, bearer
from service.event_stream import StreamReaderDep, documented_stream, follow
from service.parameters import LastEventId
from service.wire import dataset_out

router = APIRouter(
    prefix="/v1/datasets/{dataset_id}/events", tags=["datasets"], dependencies=[bearer]
)

POLL_S = 0.5
PROGRESS_S = 1.0
QUIET_S = 15.0
"""Without an event for so long, the dataset itself is looked at: its end may have been told by
none."""


def _view(dataset_id: DatasetId, services: ServicesDep) -> DatasetView:
    return load_view(services, dataset_id)


@router.get(
    "", response_class=EventSourceResponse, summary="Follow a dataset",
    responses=documented_stream(
        "`snapshot` (the whole dataset), `shard` (one was committed), `state` and `progress` (what "
        "is in shards that are being made) events; ids resume"
    ),
)  # fmt: skip
async def events(
    view: Annotated[DatasetView, Depends(_view)],
    services: ServicesDep,
    reader: StreamReaderDep,
    last_event_id: LastEventId = None,
) -> AsyncIterator[ServerSentEvent]:
    """Starts with a `snapshot` unless Last-Event-ID can be resumed; ends with the `state` that ends
    the dataset."""
    async for event in follow(_DatasetFollower(services, view, last_event_id), POLL_S, reader):
        yield event


class _DatasetFollower:
    def __init__(self, services: Services, view: DatasetView, cursor: str | None) -> None:
        self.ended = False
        self._services, self._view, self._cursor = services, view, cursor
        self._spoke_at = self._looked_at = time.monotonic()
        self._told = InWork()

    def look(self) -> list[ServerSentEvent]:
        if self._view.state.terminal:
            self.ended = True
            return [ServerSentEvent(event="state", data=_end(self._view))]
        try:
            batch = _next(self._services, self._view.id, self._cursor)
        except TransientError:
            batch = []
        news = []
        for event in batch:
            news.append(ServerSentEvent(event=event.kind, data=event.data, id=event.id))
            self._cursor = event.id
            if "state" in event.data and DatasetState(event.data["state"]).terminal:
                self.ended = True
                return news
        if batch:
            self._spoke_at = time.monotonic()
        elif time.monotonic() - self._spoke_at > QUIET_S:
            self._spoke_at = time.monotonic()
            self._view = load_view(self._services, self._view.id)
        return news + self._progress()

    def _progress(self) -> list[ServerSentEvent]:
        if time.monotonic() - self._looked_at < PROGRESS_S:
            return []
        self._looked_at = time.monotonic()
        work = _in_work(self._services, self._view.id)
        if work is None or work == self._told:
            return []
        self._told = work
        return [ServerSentEvent(event="progress", data=work.model_dump())]


def _in_work(services: Services, dataset_id: str) -> InWork | None:
    """What is in the shards that are being made; None when it can't be told."""
    try:
        view = services.live.get(dataset_id)
    except TransientError:
        return None
    return view.in_work if view else None


def _next(services: Services, dataset_id: str, cursor: str | None) -> list[Event]:
    """Events after `cursor`; a single snapshot when there is nothing to resume from."""
    found = services.live.events(dataset_id, after=cursor) if cursor is not None else None
    if found is not None:
        return found
    newest = services.live.last_event_id(dataset_id)
    out = dataset_out(load_view(services, dataset_id), utcnow())
    return [Event(id=newest, kind="snapshot", data=out.model_dump(mode="json"))]


def _end(view: DatasetView) -> dict[str, Any]:
    error = {"error": view.error.model_dump()} if view.error else {}
    at = view.timestamps[view.state].isoformat()
    return {"state": view.state, "at": at, "counts": view.counts.model_dump(), **error}
