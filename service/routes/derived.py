"""/v1/datasets/{id}/subsets, extend, regenerate: datasets made from others."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Response

from core.datasets.dataset import DatasetView, utcnow
from matteforge.schemas.datasets import DatasetOut
from matteforge.schemas.derived import ComparisonOut, ExtendIn, SubsetIn
from service import derived
from service.dependencies import DatasetId, KeyDep, Services, ServicesDep, bearer
from service.estimates import estimate
from service.parameters import IdempotencyKey, json_only
from service.problems import documented, located
from service.wire import dataset_out

router = APIRouter(prefix="/v1/datasets/{dataset_id}", tags=["datasets"], dependencies=[bearer])
ORDERED = documented(400, 404, 409, 413, 415) | located(202, "Ordered; Location is the dataset")


@router.post(
    "/subsets", status_code=202, response_model=DatasetOut, responses=ORDERED,
    dependencies=[Depends(json_only)], summary="Order a part of a dataset",
)  # fmt: skip
def order_subset(
    dataset_id: DatasetId,
    body: Annotated[SubsetIn, Body()],
    services: ServicesDep,
    key: KeyDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> DatasetOut:
    """Samples of a dataset that has ended, by filter or by keys, as a dataset of its own: copied
    from the parent's shards, pictures byte for byte."""
    view = derived.subset(services, key, dataset_id, body, idempotency_key)
    return _ordered(services, view, response)


@router.post(
    "/extend", status_code=202, response_model=DatasetOut, responses=ORDERED,
    dependencies=[Depends(json_only)], summary="Order more of a dataset",
)  # fmt: skip
def extend(
    dataset_id: DatasetId,
    body: Annotated[ExtendIn, Body()],
    services: ServicesDep,
    key: KeyDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> DatasetOut:
    """A dataset of its own with the same order and model version. Its shards, keys and seeds go on
    where this one, or its last extension, ended: both fit into one folder."""
    view = derived.extend(services, key, dataset_id, body, idempotency_key)
    return _ordered(services, view, response)


@router.post(
    "/regenerate", status_code=202, response_model=DatasetOut,
    responses=documented(404, 409) | located(202, "Ordered; Location is the dataset"),
    summary="Make a dataset once more",
)  # fmt: skip
def regenerate(
    dataset_id: DatasetId,
    services: ServicesDep,
    key: KeyDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> DatasetOut:
    """Ordered as a dataset of its own, whose `comparison` says whether all bytes are the same."""
    view = derived.regenerate(services, key, dataset_id, idempotency_key)
    return _ordered(services, view, response)


@router.get(
    "/comparison", response_model=ComparisonOut, responses=documented(404, 409),
    summary="Compare a regenerated dataset",
)  # fmt: skip
def comparison(dataset_id: DatasetId, services: ServicesDep) -> ComparisonOut:
    """Which shards have the same bytes as those of the dataset that it was made from."""
    return derived.compare_with_original(services, dataset_id)


def _ordered(services: Services, view: DatasetView, response: Response) -> DatasetOut:
    plan = services.catalog.request(view.id).plan
    out = dataset_out(view, utcnow(), estimate=estimate(services, plan, view.spec))
    response.headers["Location"] = out.links["self"]
    return out
