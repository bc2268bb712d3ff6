"""What is known of a dataset while it is made, and how its id comes about."""

import hashlib
import secrets
from datetime import UTC, datetime

from pydantic import (
    Field,
)

from matteforge.schemas.base import Frozen
from matteforge.schemas.datasets import Counts, DatasetState, ErrorInfo, InWork
from matteforge.schemas.orders import AnySpec


class DatasetView(Frozen):
    """The live picture of one dataset, rebuilt from S3 at any time."""

    id: str
    owner: str = Field("", description="the tenant that ordered it; empty: look into its request")
    state: DatasetState
    spec: AnySpec
    bundle: str = Field(description="digest of the pinned model bundle: sha256:…")
    counts: Counts
    timestamps: dict[DatasetState, datetime] = Field(description="when each state was entered, UTC")
    error: ErrorInfo | None = None
    cancel_requested: bool = False
    damaged: bool = False
    expires_at: datetime | None = None
    in_work: InWork = Field(default_factory=InWork, description="what workers tell of now")

    @property
    def shard_source(self) -> str:
        """Whose workers make its shards."""
        return shard_source(self.spec)

    @property
    def created_at(self) -> datetime:
        return self.timestamps[DatasetState.QUEUED]


def new_id(prefix: str, idempotency_key: str | None, *scope: str) -> str:
    """Id of what is ordered: derived from scope and Idempotency-Key, so that a replay claims the
    same key in S3; random without one."""
    if idempotency_key is None:
        return f"{prefix}_{secrets.token_hex(12)}"
    digest = hashlib.sha256("\0".join((*scope, idempotency_key)).encode()).hexdigest()
    return f"{prefix}_{digest[:24]}"


def new_dataset_id(owner: str, idempotency_key: str | None) -> str:
    return new_id("ds", idempotency_key, owner)


def utcnow() -> datetime:
    return datetime.now(UTC)


def shard_source(spec: AnySpec) -> str:
    """Whose workers make the shards of an order: copies of rendered portraits need no renderer."""
    origin = spec.derived_from
    return "generated" if origin is not None and origin.copies else spec.source
