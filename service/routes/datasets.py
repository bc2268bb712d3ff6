"""/v1/datasets: order, look, cancel, delete."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Query, Response
from fastapi.openapi.models import Example
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, StringConstraints

from core import keys
from core.datasets.dataset import DatasetView, utcnow
from core.errors import InvalidSpec, NotFound, StateConflict, TransientError
from core.retention import set_expiry
from matteforge.schemas.datasets import DatasetOut, DatasetPage, DatasetState
from matteforge.schemas.expiry import ExpiryIn
from matteforge.schemas.orders import AnySpec
from service import datasets, orders
from service.dependencies import DatasetId, KeyDep, ServicesDep, bearer
from service.estimates import estimate, waiting
from service.parameters import IdempotencyKey, json_only
from service.problems import documented, located
from service.wire import dataset_out

Source = Literal["generated", "rendered"]
Label = Annotated[str, StringConstraints(pattern=r"^[^=]+=.*$", max_length=401)]
router = APIRouter(prefix="/v1/datasets", tags=["datasets"], dependencies=[bearer])

EXAMPLES: dict[str, Example] = {
    "generated": {
        "summary": "StyleMatteGAN's samples",
        "value": {"count": 64, "seed": 1, "filter": {"mad": 0.05}},
    },
    "rendered": {
        "summary": "Rendered portraits, whose alpha is exact",
        "value": {
            "count": 200,
            "source": "rendered",
            "size": 256,
            "attributes": {"hair": {"long": 0.5, "bald": 0.1}, "glasses": 0.3},
            "members": ["fg", "trimap"],
        },
    },
}


@router.post(
    "", status_code=202, response_model=DatasetOut,
    responses=documented(400, 409, 413, 415) | located(202, "Ordered; Location is the dataset"),
    dependencies=[Depends(json_only)], summary="Order a dataset",
)  # fmt: skip
def order(
    spec: Annotated[AnySpec, Body(openapi_examples=EXAMPLES)],
    services: ServicesDep,
    key: KeyDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> DatasetOut:
    """N image-alpha pairs, each measured by StyleMatte. Answers at once; follow the dataset at
    `Location`."""
    view = orders.place_order(services, key, spec, idempotency_key)
    plan = services.catalog.request(view.id).plan
    out = dataset_out(view, utcnow(), estimate=estimate(services, plan, spec))
    response.headers["Location"] = out.links["self"]
    return out


@router.get("", response_model=DatasetPage, responses=documented(400), summary="List datasets")
def list_datasets(
    services: ServicesDep,
    key: KeyDep,
    cursor: Annotated[
        str | None, Query(max_length=500, description="next_cursor of the page before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    state: Annotated[DatasetState | None, Query(description="only datasets in this state")] = None,
    source: Annotated[Source | None, Query(description="only datasets of this source")] = None,
    label: Annotated[
        list[Label],
        Query(max_length=50, description="NAME=VALUE that a dataset has; may be repeated"),
    ] = [],  # noqa: B006  # FastAPI copies it
    since: Annotated[
        AwareDatetime | None, Query(description="ordered at this time, or later")
    ] = None,
) -> DatasetPage:
    """Newest first. A page may be shorter than `limit`, or empty, before the last one."""
    labels = dict(pair.partition("=")[::2] for pair in label or [])

    def wanted(view: DatasetView) -> bool:
        return (
            source in (None, view.spec.source)
            and labels.items() <= view.spec.labels.items()
            and (since is None or view.created_at >= since)
        )

    views, next_cursor = datasets.page(
        services, key, state=state, after=cursor, limit=limit, wanted=wanted
    )
    now = utcnow()
    return DatasetPage(items=[dataset_out(view, now) for view in views], next_cursor=next_cursor)


@router.get(
    "/{dataset_id}", response_model=DatasetOut, responses=documented(404),
    summary="Look at a dataset",
)  # fmt: skip
def get_dataset(dataset_id: DatasetId, services: ServicesDep) -> DatasetOut:
    """State, counts, pace and links."""
    view = datasets.load_view(services, dataset_id)
    try:
        reason = waiting(services, view)
    except TransientError:
        reason = None
    return dataset_out(view, utcnow(), waiting=reason)


@router.post(
    "/{dataset_id}/cancel", status_code=202, response_model=DatasetOut,
    responses=documented(404, 409), summary="Cancel a dataset",
)  # fmt: skip
def cancel(dataset_id: DatasetId, services: ServicesDep) -> DatasetOut:
    """No further shards are begun; those that are committed stay downloadable."""
    return dataset_out(datasets.cancel(services, dataset_id), utcnow())


@router.put(
    "/{dataset_id}/expiry", response_model=DatasetOut, responses=documented(400, 404, 413, 415),
    dependencies=[Depends(json_only)], summary="Change when a dataset expires",
)  # fmt: skip
def put_expiry(dataset_id: DatasetId, body: ExpiryIn, services: ServicesDep) -> DatasetOut:
    """It is deleted at that time, or once it has ended if that is later; null keeps it."""
    services.catalog.request(dataset_id)
    if body.expires_at is not None and body.expires_at <= utcnow():
        raise InvalidSpec(f"expires_at is over: {body.expires_at.isoformat()}; delete it instead")
    set_expiry(services.store, dataset_id, body)
    return dataset_out(datasets.shown_anew(services, dataset_id), utcnow())


@router.delete(
    "/{dataset_id}", status_code=204, responses=documented(404), summary="Delete a dataset"
)
def delete(dataset_id: DatasetId, services: ServicesDep) -> None:
    """Gone at once; its shards are removed from the store soon after."""
    datasets.delete(services, dataset_id)


@router.get(
    "/{dataset_id}/manifest",
    response_class=StreamingResponse,
    responses=documented(404, 409)
    | {
        200: {
            "description": "Manifest",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
    summary="Read the manifest",
)
def manifest(dataset_id: DatasetId, services: ServicesDep) -> StreamingResponse:
    """What was delivered: spec, plan, counts and every shard's sha256. 409 until the dataset has
    ended."""
    services.catalog.request(dataset_id)
    try:
        chunks = services.store.stream(keys.manifest(dataset_id))
    except NotFound:
        raise StateConflict(
            f"{dataset_id} has not ended; its manifest is written at the end"
        ) from None
    return StreamingResponse(chunks, media_type="application/json")
