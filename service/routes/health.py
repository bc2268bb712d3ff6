"""/healthz, /readyz and /metrics."""

from fastapi import APIRouter, Request, Response

from matteforge.schemas.problems import Health
from service.dependencies import bearer
from service.metrics import Metrics
from service.problems import documented, problem_response
from service.readiness import Readiness

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Health, summary="Is the process alive?")
async def healthz() -> Health:
    """Answers as long as the process does; looks at nothing and waits for nothing."""
    return Health(status="ALIVE")


@router.get(
    "/readyz", response_model=Health, responses={503: documented()[503]}, summary="Can it serve?"
)
async def readyz(request: Request) -> Health | Response:
    """READY when the object store and the live view answer and workers take their messages; else
    503 that names what is missing.
    """
    readiness: Readiness = request.app.state.readiness
    if missing := await readiness.missing():
        return problem_response(503, "not_ready", "; ".join(missing))
    return Health(status="READY")


@router.get(
    "/metrics", response_class=Response, responses=documented(), dependencies=[bearer],
    summary="Prometheus",
)  # fmt: skip
def metrics(request: Request) -> Response:
    """Text format; Prometheus sends the key by `authorization.credentials_file`."""
    recorded: Metrics = request.app.state.metrics
    return Response(recorded.exposition(), media_type=recorded.media_type)
