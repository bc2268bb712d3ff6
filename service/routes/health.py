"""/healthz, /readyz and /metrics."""

from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Request, Response

from core.errors import MatteForgeError
from matteforge.schemas.problems import Health
from service.dependencies import ServicesDep, bearer
from service.metrics import Metrics
from service.problems import documented, problem_response
from service.startup import Startup

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Health, summary="Is the process alive?")
def healthz() -> Health:
    """Answers as long as the process does; looks at nothing else."""
    return Health(status="ALIVE")


@router.get(
    "/readyz", response_model=Health, responses={503: documented()[503]}, summary="Can it serve?"
)
def readyz(request: Request, services: ServicesDep) -> Health | Response:
    """READY when the object store and the live view answer; else 503 that names what is missing."""
    startup: Startup = request.app.state.startup
    missing = [f"STARTING: {startup.missing}"] if startup.missing else []
    checks: tuple[Callable[[], object], ...] = (
        partial(services.store.head, "readyz"),
        services.live.ping,
    )
    for check in checks:
        try:
            check()
        except MatteForgeError as error:
            missing.append(f"{error.code}: {error.detail}")
    if missing:
        return problem_response(503, "not_ready", "; ".join(missing))
    return Health(status="READY")


@router.get(
    "/metrics",
    response_class=Response,
    responses=documented(),
    dependencies=[bearer],
    summary="Prometheus",
)
def metrics(request: Request) -> Response:
    """Text format; Prometheus sends the key by `authorization.credentials_file`."""
    recorded: Metrics = request.app.state.metrics
    return Response(recorded.exposition(), media_type=recorded.media_type)
