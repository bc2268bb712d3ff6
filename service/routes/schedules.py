"""/v1/training-schedules: which domain is trained again, how often and after how many new
samples."""

from fastapi import APIRouter, Depends, Response

from core.datasets.dataset import utcnow
from core.errors import InvalidSpec
from core.training.schedules import Schedule, Schedules, ScheduleSpec
from matteforge.schemas.training import ScheduleOut, SchedulePage
from service.dependencies import ModelName, OwnerDep, Services, ServicesDep, bearer
from service.problems import documented
from service.routes.datasets import json_only
from service.wire import schedule_out

router = APIRouter(prefix="/v1/training-schedules", tags=["training"], dependencies=[bearer])


@router.get("", response_model=SchedulePage, responses=documented(), summary="List schedules")
def list_schedules(services: ServicesDep) -> SchedulePage:
    """Each with what it waits for."""
    return SchedulePage(
        items=[_out(services, schedule) for schedule in Schedules(services.store).all()]
    )


@router.get(
    "/{name}", response_model=ScheduleOut, responses=documented(404), summary="Look at a schedule"
)
def get_schedule(name: ModelName, services: ServicesDep) -> ScheduleOut:
    """`name`: the domain."""
    return _out(services, Schedules(services.store).get(name))


@router.put(
    "/{name}",
    response_model=ScheduleOut,
    responses=documented(400, 404, 409, 413, 415),
    dependencies=[Depends(json_only)],
    summary="Make or replace a schedule",
)
def put_schedule(
    name: ModelName, body: ScheduleSpec, services: ServicesDep, owner: OwnerDep
) -> ScheduleOut:
    """A new schedule's first turn is at once; one that is replaced goes on counting from its last
    run."""
    if body.run.domain != name:
        raise InvalidSpec(
            f"run/domain: is {body.run.domain!r}, but the schedule is that of {name!r}"
        )
    return _out(services, Schedules(services.store).set(body, owner, utcnow()))


@router.delete("/{name}", status_code=204, responses=documented(404), summary="Delete a schedule")
def delete_schedule(name: ModelName, services: ServicesDep) -> Response:
    """A run that it has started goes on."""
    Schedules(services.store).delete(name)
    return Response(status_code=204)


def _out(services: Services, schedule: Schedule) -> ScheduleOut:
    return schedule_out(schedule, Schedules(services.store).turn(schedule, utcnow()))
