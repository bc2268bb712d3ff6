"""/v1/estimates: what an order would take, without ordering."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends

from matteforge.schemas.datasets import EstimateOut
from matteforge.schemas.orders import AnySpec
from service import orders
from service.dependencies import KeyDep, ServicesDep, bearer
from service.estimates import estimate
from service.parameters import json_only
from service.problems import documented
from service.routes.datasets import EXAMPLES

router = APIRouter(prefix="/v1/estimates", tags=["datasets"], dependencies=[bearer])


@router.post(
    "", response_model=EstimateOut, responses=documented(400, 413, 415),
    dependencies=[Depends(json_only)], summary="Estimate an order",
)  # fmt: skip
def estimate_order(
    spec: Annotated[AnySpec, Body(openapi_examples=EXAMPLES)], services: ServicesDep, key: KeyDep
) -> EstimateOut:
    """The order is checked as if it were placed; nothing is."""
    plan = orders.plan_order(services, key, spec)
    return estimate(services, plan, spec)
