"""/v1/datasets/{id}/rejected: examples of candidates that were not delivered, and why."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from core.datasets.plan import Plan
from core.datasets.rejects import RejectedExample, dataset_examples, shard_examples
from core.errors import NotFound
from matteforge.schemas.samples import REJECTED_NAME, RejectedList, RejectedOut
from service import datasets
from service.dependencies import DatasetId, ServicesDep, bearer
from service.problems import documented

router = APIRouter(
    prefix="/v1/datasets/{dataset_id}/rejected", tags=["samples"], dependencies=[bearer]
)


async def _name(name: Annotated[str, Path(examples=["000000-12"])]) -> tuple[int, int]:
    """(shard, attempt) of a name."""
    if re.fullmatch(REJECTED_NAME, name, re.ASCII) is None:
        raise NotFound(f"there is no rejected example {name[:100]!r}")
    shard, _, attempt = name.partition("-")
    return int(shard), int(attempt)


@router.get("", response_model=RejectedList, responses=documented(404), summary="List rejected")
def list_rejected(
    dataset_id: DatasetId,
    services: ServicesDep,
    reason: Annotated[
        str | None, Query(max_length=100, description="only those that failed this criterion")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> RejectedList:
    """A few small pictures of each reason, kept by the workers of the first shards; while the
    dataset is made, of those that are committed."""
    plan = services.catalog.request(dataset_id).plan
    found = [
        example
        for example in dataset_examples(services.store, dataset_id)
        if reason in (None, example.reason)
    ]
    return RejectedList(
        items=[_out(dataset_id, plan, example) for example in found[:limit]],
        rejected=datasets.load_view(services, dataset_id).counts.rejected,
    )


@router.get(
    "/{name}.webp", response_class=Response,
    responses=documented(404) | {200: {"content": {"image/webp": {}}}},
    summary="See a rejected candidate",
)  # fmt: skip
def picture(
    dataset_id: DatasetId, place: Annotated[tuple[int, int], Depends(_name)], services: ServicesDep
) -> Response:
    """Its image and its alpha side by side, at most 128 pixels each."""
    services.catalog.request(dataset_id)
    shard, attempt = place
    for example in shard_examples(services.store, dataset_id, shard):
        if example.attempt == attempt:
            return Response(example.webp, media_type="image/webp")
    raise NotFound(f"{dataset_id} has no rejected example {shard:06d}-{attempt}")


def _out(dataset_id: str, plan: Plan, example: RejectedExample) -> RejectedOut:
    name = f"{example.shard:06d}-{example.attempt}"
    return RejectedOut(
        name=name,
        threshold=plan.thresholds.get(example.reason),
        picture=f"/v1/datasets/{dataset_id}/rejected/{name}.webp",
        **example.model_dump(
            include={"shard", "attempt", "seed", "reason", "scores", "attributes"}
        ),
    )
