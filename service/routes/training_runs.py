"""/v1/training-runs: order a turn of the cycle, look, follow, cancel."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from core.errors import NotFound, TransientError
from core.training.runs import TrainingRuns
from matteforge.schemas.training import TrainingRunOut, TrainingRunPage, TrainingSpec
from service import training
from service.dependencies import KeyDep, OwnerDep, Services, ServicesDep, TrainingRunId, bearer
from service.problems import documented, located
from service.routes.datasets import IdempotencyKey, json_only

router = APIRouter(prefix="/v1/training-runs", tags=["training"], dependencies=[bearer])

POLL_S = 1.0
HEARTBEAT_S = 15.0
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`snapshot` (the whole run) whenever a stage ends, `progress` in between, "
        "`state` at the end",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.post(
    "",
    status_code=202,
    response_model=TrainingRunOut,
    responses=documented(400, 409, 413, 415) | located(202, "Ordered; Location is the run"),
    dependencies=[Depends(json_only)],
    summary="Order a training run",
)
def order(
    spec: TrainingSpec,
    services: ServicesDep,
    owner: OwnerDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> TrainingRunOut:
    """One turn of the cycle: both networks learn, and are promoted if the gate lets them. One a
    domain at a time."""
    out = training.run_response(
        services, training.order_run(services, owner, spec, idempotency_key)
    )
    response.headers["Location"] = out.links["self"]
    return out


@router.get(
    "", response_model=TrainingRunPage, responses=documented(400), summary="List training runs"
)
def list_runs(
    services: ServicesDep,
    key: KeyDep,
    domain: Annotated[
        str | None, Query(max_length=63, description="only runs of this domain")
    ] = None,
    cursor: Annotated[
        str | None, Query(max_length=100, description="next_cursor of the page before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> TrainingRunPage:
    """Newest first."""
    views, next_cursor = training.page_of_runs(
        services, key, domain=domain, cursor=cursor, limit=limit
    )
    return TrainingRunPage(
        items=[training.run_response(services, view) for view in views], next_cursor=next_cursor
    )


@router.get(
    "/{run_id}",
    response_model=TrainingRunOut,
    responses=documented(404),
    summary="Look at a training run",
)
def get_run(run_id: TrainingRunId, services: ServicesDep) -> TrainingRunOut:
    """Stages with progress, time left and figures, the newest log lines, pictures, and the gate's
    decision."""
    return training.run_response(services, TrainingRuns(services.store).view(run_id))


@router.post(
    "/{run_id}/cancel",
    status_code=202,
    response_model=TrainingRunOut,
    responses=documented(404, 409),
    summary="Cancel a training run",
)
def cancel(run_id: TrainingRunId, services: ServicesDep) -> TrainingRunOut:
    """It ends within seconds; nothing is promoted."""
    return training.run_response(services, training.cancel_run(services, run_id))


@router.get(
    "/{run_id}/events",
    response_class=StreamingResponse,
    responses=documented(404) | _STREAM,
    summary="Follow a run",
)
async def events(
    run_id: TrainingRunId,
    services: ServicesDep,
    last_event_id: Annotated[
        str | None, Header(max_length=100, description="resume after this event")
    ] = None,
) -> StreamingResponse:
    """Starts with a `snapshot` unless nothing happened since Last-Event-ID; ends with the `state`
    that ends the run."""
    await run_in_threadpool(TrainingRuns(services.store).request, run_id)
    body = _follow(services, run_id, last_event_id)
    return StreamingResponse(
        body,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _follow(services: Services, run_id: str, cursor: str | None) -> AsyncIterator[str]:
    runs, stage, spoke_at = TrainingRuns(services.store), "", time.monotonic()
    while True:
        try:
            progress = await run_in_threadpool(runs.progress, run_id)
            end = await run_in_threadpool(runs.end, run_id)
            if end is not None:
                yield _frame("state", end.model_dump_json(), None)
                return
            event_id = str(progress.sequence) if progress else "0"
            if event_id != cursor:
                if progress is None or progress.stage != stage:
                    view = await run_in_threadpool(runs.view, run_id)
                    yield _frame(
                        "snapshot",
                        training.run_response(services, view).model_dump_json(),
                        event_id,
                    )
                else:
                    yield _frame("progress", progress.model_dump_json(), event_id)
                cursor, stage, spoke_at = (
                    event_id,
                    progress.stage if progress else "",
                    time.monotonic(),
                )
        except NotFound:
            return
        except TransientError:
            pass
        if time.monotonic() - spoke_at > HEARTBEAT_S:
            yield ": still here\n\n"
            spoke_at = time.monotonic()
        await asyncio.sleep(POLL_S)


def _frame(kind: str, data: str, event_id: str | None) -> str:
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {kind}\ndata: {json.dumps(json.loads(data))}\n\n"
