"""/v1/datasets/{id}/events: progress as server-sent events. The only asynchronous route."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from core.datasets.dataset import DatasetView, utcnow
from core.errors import NotFound, TransientError
from core.ports import Event
from matteforge.schemas.datasets import DatasetState, InWork
from service.datasets import load_view
from service.dependencies import DatasetId, Services, ServicesDep, bearer
from service.problems import documented
from service.wire import dataset_out

router = APIRouter(
    prefix="/v1/datasets/{dataset_id}/events", tags=["datasets"], dependencies=[bearer]
)

POLL_S = 0.5
PROGRESS_S = 1.0
HEARTBEAT_S = 15.0
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`snapshot` (the whole dataset), `shard` (one was committed), `state` "
        "and `progress` (what is in shards that are being made) events; ids resume",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get(
    "",
    response_class=StreamingResponse,
    responses=documented(404) | _STREAM,
    summary="Follow a dataset",
)
async def events(
    dataset_id: DatasetId,
    services: ServicesDep,
    last_event_id: Annotated[
        str | None, Header(max_length=100, description="resume after this event")
    ] = None,
) -> StreamingResponse:
    """Starts with a `snapshot` unless Last-Event-ID can be resumed; ends with the `state` that ends
    the dataset."""
    view = await run_in_threadpool(load_view, services, dataset_id)
    body = _follow(services, view, last_event_id)
    return StreamingResponse(
        body,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _follow(services: Services, view: DatasetView, cursor: str | None) -> AsyncIterator[str]:
    if view.state.terminal:
        yield _frame("state", _end(view))
        return
    spoke_at = looked_at = time.monotonic()
    told = InWork()
    while True:
        try:
            batch = await run_in_threadpool(_next, services, view.id, cursor)
        except NotFound:
            return  # deleted meanwhile
        except TransientError:
            batch = []
        for event in batch:
            yield _frame(event.kind, event.data, event.id)
            cursor = event.id
            if "state" in event.data and DatasetState(event.data["state"]).terminal:
                return
        if time.monotonic() - looked_at >= PROGRESS_S:
            looked_at = time.monotonic()
            work = await run_in_threadpool(_in_work, services, view.id)
            if work not in (None, told):
                told = work or told
                yield _frame("progress", told.model_dump())
        if batch:
            spoke_at = time.monotonic()
        elif time.monotonic() - spoke_at > HEARTBEAT_S:
            yield ": still here\n\n"
            spoke_at = time.monotonic()
            cursor = await _unless_ended(services, view.id, cursor)
        await asyncio.sleep(POLL_S)


async def _unless_ended(services: Services, dataset_id: str, cursor: str | None) -> str | None:
    """The cursor; None, which asks for a snapshot, when the dataset's end or deletion was told by
    no event."""
    try:
        view = await run_in_threadpool(load_view, services, dataset_id)
    except NotFound:
        return None
    except TransientError:
        return cursor
    return None if view.state.terminal else cursor


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


def _frame(kind: str, data: Mapping[str, Any], event_id: str | None = None) -> str:
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data)}\n\n"
