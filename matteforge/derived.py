"""Datasets made from others, as Python methods for both clients."""

from collections.abc import Mapping, Sequence
from typing import Any

from matteforge.calls import Call, call_of
from matteforge.methods import answered
from matteforge.schemas.datasets import DatasetOut
from matteforge.schemas.derived import ComparisonOut


def derived_call(
    parent_id: str, how: str, body: Mapping[str, Any] | None, idempotency_key: str | None
) -> Call[DatasetOut]:
    """An order that begins with another dataset; fields without a value are left out."""
    said = None if body is None else {k: v for k, v in body.items() if v not in (None, {})}
    call = call_of("POST", "datasets", parent_id, how, schema=DatasetOut, json=said)
    return call.once(idempotency_key)


class DerivedMethods:
    """What MatteForge makes of datasets. Errors as there."""

    @answered
    def subset(
        self,
        dataset_id: str,
        *,
        where: str | None = None,
        order: str | None = None,
        limit: int | None = None,
        keys: Sequence[str] | None = None,
        shard_size: int | None = None,
        labels: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Call[DatasetOut]:
        """Order samples of a dataset that has ended, by filter or by keys, as one of its own."""
        body = {
            "where": where, "order": order, "limit": limit, "shard_size": shard_size,
            "keys": None if keys is None else list(keys), "labels": dict(labels or {}),
        }  # fmt: skip
        return derived_call(dataset_id, "subsets", body, idempotency_key)

    @answered
    def extend(
        self,
        dataset_id: str,
        count: int,
        *,
        labels: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Call[DatasetOut]:
        """Order `count` more samples, whose shards, keys and seeds go on where it ended."""
        body = {"count": count, "labels": dict(labels or {})}
        return derived_call(dataset_id, "extend", body, idempotency_key)

    @answered
    def regenerate(
        self, dataset_id: str, *, idempotency_key: str | None = None
    ) -> Call[DatasetOut]:
        """Make it once more, as a dataset of its own; then ask for its `comparison`."""
        return derived_call(dataset_id, "regenerate", None, idempotency_key)

    @answered
    def comparison(self, dataset_id: str) -> Call[ComparisonOut]:
        """Whether a regenerated dataset has the same bytes as its original."""
        return call_of("GET", "datasets", dataset_id, "comparison", schema=ComparisonOut)
