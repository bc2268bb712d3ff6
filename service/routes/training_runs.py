"""/v1/training-runs: order a turn of the cycle, look, follow, cancel."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from core.training.curves import curves_of_stage
from core.training.run import RunProgress
from core.training.runs import TrainingRuns
from matteforge.schemas.curves import RunCurves
from matteforge.schemas.training import STAGES, Stage, TrainingRunOut, TrainingRunPage, TrainingSpec
from service import training
from service.dependencies import KeyDep, OwnerDep, Services, ServicesDep, TrainingRunId, bearer
from service.event_stream import StreamReaderDep, documented_stream, follow
from service.parameters import Cursor, IdempotencyKey, LastEventId, json_only
from service.problems import documented, located

router = APIRouter(prefix="/v1/training-runs", tags=["training"], dependencies=[bearer])

POLL_S = 1.0


@router.post(
    "", status_code=202, response_model=TrainingRunOut,
    responses=documented(400, 409, 413, 415) | located(202, "Ordered; Location is the run"),
    dependencies=[Depends(json_only)], summary="Order a training run",
)  # fmt: skip
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
    cursor: Cursor = None,
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
    "/{run_id}", response_model=TrainingRunOut, responses=documented(404),
    summary="Look at a training run",
)  # fmt: skip
def get_run(run_id: TrainingRunId, services: ServicesDep) -> TrainingRunOut:
    """Stages with progress, time left and figures, the newest log lines, pictures, and the gate's
    decision."""
    return training.run_response(services, TrainingRuns(services.store).view(run_id))


@router.get(
    "/{run_id}/curves", response_model=RunCurves, responses=documented(404),
    summary="Look at a run's losses",
)  # fmt: skip
def get_curves(
    run_id: TrainingRunId,
    services: ServicesDep,
    stage: Annotated[Stage | None, Query(description="only this one")] = None,
    points: Annotated[int, Query(ge=10, le=2000, description="of a curve, at most")] = 300,
) -> RunCurves:
    """Losses, rates and validation figures over steps, as the trainer wrote them; a minute old at
    most while a stage runs."""
    TrainingRuns(services.store).request(run_id)
    items = [
        curves
        for one in ([stage] if stage else STAGES)
        for curves in curves_of_stage(services.store, run_id, one, points=points)
    ]
    return RunCurves(items=items)


@router.post(
    "/{run_id}/cancel", status_code=202, response_model=TrainingRunOut,
    responses=documented(404, 409), summary="Cancel a training run",
)  # fmt: skip
def cancel(run_id: TrainingRunId, services: ServicesDep) -> TrainingRunOut:
    """It ends within seconds; nothing is promoted."""
    return training.run_response(services, training.cancel_run(services, run_id))


def _run(run_id: TrainingRunId, services: ServicesDep) -> str:
    TrainingRuns(services.store).request(run_id)
    return run_id


@router.get(
    "/{run_id}/events", response_class=EventSourceResponse, summary="Follow a run",
    responses=documented_stream(
        "`snapshot` (the whole run) whenever a stage ends, `progress` in between, `state` at the "
        "end"
    ),
)  # fmt: skip
async def events(
    run: Annotated[str, Depends(_run)],
    services: ServicesDep,
    reader: StreamReaderDep,
    last_event_id: LastEventId = None,
) -> AsyncIterator[ServerSentEvent]:
    """Starts with a `snapshot` unless nothing happened since Last-Event-ID; ends with the `state`
    that ends the run."""
    async for event in follow(_RunFollower(services, run, last_event_id), POLL_S, reader):
        yield event


class _RunFollower:
    def __init__(self, services: Services, run_id: str, cursor: str | None) -> None:
        self.ended = False
        self._services, self._run_id, self._cursor = services, run_id, cursor
        self._runs, self._stage = TrainingRuns(services.store), ""

    def look(self) -> list[ServerSentEvent]:
        progress = self._runs.progress(self._run_id)
        if (end := self._runs.end(self._run_id)) is not None:
            self.ended = True
            return [ServerSentEvent(event="state", data=end)]
        event_id = str(progress.sequence) if progress else "0"
        if event_id == self._cursor:
            return []
        told: RunProgress | TrainingRunOut
        if progress is None or progress.stage != self._stage:
            kind = "snapshot"
            told = training.run_response(self._services, self._runs.view(self._run_id))
        else:
            kind, told = "progress", progress
        self._cursor, self._stage = event_id, progress.stage if progress else ""
        return [ServerSentEvent(event=kind, data=told, id=event_id)]
