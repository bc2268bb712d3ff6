"""Datasets made from others, for both clients: the calls, and the methods that send them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from matteforge.calls import Call, call_of
from matteforge.schemas.datasets import DatasetOut
from matteforge.schemas.derived import ComparisonOut
from matteforge.transport import AsyncTransport, Transport


def derived_call(
    parent_id: str, how: str, body: Mapping[str, Any] | None, idempotency_key: str | None
) -> Call[DatasetOut]:
    """An order that begins with another dataset; fields without a value are left out."""
    said = None if body is None else {k: v for k, v in body.items() if v not in (None, {})}
    call = call_of("POST", "datasets", parent_id, how, schema=DatasetOut, json=said)
    return replace(call, headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())})


def subset_body(
    where: str | None,
    order: str | None,
    limit: int | None,
    keys: Sequence[str] | None,
    shard_size: int | None,
    labels: Mapping[str, str] | None,
) -> dict[str, Any]:
    """What `SubsetIn` takes."""
    return {
        "where": where, "order": order, "limit": limit, "shard_size": shard_size,
        "keys": None if keys is None else list(keys), "labels": dict(labels or {}),
    }  # fmt: skip


def comparison_call(dataset_id: str) -> Call[ComparisonOut]:
    """Whether a regenerated dataset is the same."""
    return call_of("GET", "datasets", dataset_id, "comparison", schema=ComparisonOut)


class DerivedMethods:
    """What MatteForge makes of datasets. Errors as there."""

    transport: Transport

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
    ) -> DatasetOut:
        """Order samples of a dataset that has ended, by filter or by keys, as one of its own."""
        body = subset_body(where, order, limit, keys, shard_size, labels)
        return self.transport.send(derived_call(dataset_id, "subsets", body, idempotency_key))

    def extend(
        self,
        dataset_id: str,
        count: int,
        *,
        labels: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> DatasetOut:
        """Order `count` more samples, whose shards, keys and seeds go on where it ended."""
        body = {"count": count, "labels": dict(labels or {})}
        return self.transport.send(derived_call(dataset_id, "extend", body, idempotency_key))

    def regenerate(self, dataset_id: str, *, idempotency_key: str | None = None) -> DatasetOut:
        """Make it once more, as a dataset of its own; then ask for its `comparison`."""
        return self.transport.send(derived_call(dataset_id, "regenerate", None, idempotency_key))

    def comparison(self, dataset_id: str) -> ComparisonOut:
        """Whether a regenerated dataset has the same bytes as its original."""
        return self.transport.send(comparison_call(dataset_id))


class AsyncDerivedMethods:
    """The same as coroutines."""

    transport: AsyncTransport

    async def subset(
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
    ) -> DatasetOut:
        body = subset_body(where, order, limit, keys, shard_size, labels)
        return await self.transport.send(derived_call(dataset_id, "subsets", body, idempotency_key))

    async def extend(
        self,
        dataset_id: str,
        count: int,
        *,
        labels: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> DatasetOut:
        body = {"count": count, "labels": dict(labels or {})}
        return await self.transport.send(derived_call(dataset_id, "extend", body, idempotency_key))

    async def regenerate(
        self, dataset_id: str, *, idempotency_key: str | None = None
    ) -> DatasetOut:
        call = derived_call(dataset_id, "regenerate", None, idempotency_key)
        return await self.transport.send(call)

    async def comparison(self, dataset_id: str) -> ComparisonOut:
        return await self.transport.send(comparison_call(dataset_id))
