"""/v1/training-schedules: which domain is trained again, how often and after how many new
samples."""

from contextlib import suppress

from fastapi import APIRouter, Depends, Response

from core.datasets.dataset import utcnow
from core.errors import InvalidSpec, NotFound, StateConflict
from core.keyring import ApiKey
from core.training.schedules import Schedule, Schedules, ScheduleSpec
from matteforge.schemas.training import ScheduleOut, SchedulePage
from service.dependencies import KeyDep, ModelName, Services, ServicesDep, bearer
from service.parameters import json_only
from service.problems import documented
from service.wire import schedule_out

router = APIRouter(prefix="/v1/training-schedules", tags=["training"], dependencies=[bearer])


@router.get("", response_model=SchedulePage, responses=documented(), summary="List schedules")
def list_schedules(services: ServicesDep, key: KeyDep) -> SchedulePage:
    """Each with what it waits for."""
    seen = [one for one in Schedules(services.store).all() if key.sees(one.owner)]
    return SchedulePage(items=[_out(services, schedule) for schedule in seen])


@router.get(
    "/{name}", response_model=ScheduleOut, responses=documented(404), summary="Look at a schedule"
)
def get_schedule(name: ModelName, services: ServicesDep, key: KeyDep) -> ScheduleOut:
    """`name`: the domain."""
    return _out(services, _seen(services, name, key))


@router.put(
    "/{name}", response_model=ScheduleOut, responses=documented(400, 404, 409, 413, 415),
    dependencies=[Depends(json_only)], summary="Make or replace a schedule",
)  # fmt: skip
def put_schedule(
    name: ModelName, body: ScheduleSpec, services: ServicesDep, key: KeyDep
) -> ScheduleOut:
    """A new schedule's first turn is at once; one that is replaced goes on counting from its last
    run."""
    if body.run.domain != name:
        raise InvalidSpec(
            f"run/domain: is {body.run.domain!r}, but the schedule is that of {name!r}"
        )
    owner = key.tenant
    with suppress(NotFound):
        owner = (
            Schedules(services.store).get(name).owner
        )  # an admin's change makes it nobody else's
        if not key.sees(owner):
            raise StateConflict(f"{name} has a schedule of another tenant")
    return _out(services, Schedules(services.store).set(body, owner, utcnow()))


@router.delete("/{name}", status_code=204, responses=documented(404), summary="Delete a schedule")
def delete_schedule(name: ModelName, services: ServicesDep, key: KeyDep) -> Response:
    """A run that it has started goes on."""
    _seen(services, name, key)
    Schedules(services.store).delete(name)
    return Response(status_code=204)


def _seen(services: Services, name: str, key: ApiKey) -> Schedule:
    """The domain's schedule. NotFound when there is none, or another tenant's."""
    schedule = Schedules(services.store).get(name)
    if not key.sees(schedule.owner):
        raise NotFound(f"there is no schedule for {name!r}")
    return schedule


def _out(services: Services, schedule: Schedule) -> ScheduleOut:
    return schedule_out(schedule, Schedules(services.store).turn(schedule, utcnow()))
