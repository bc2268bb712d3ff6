"""Wire schemas: what the REST API answers. The order itself is core.datasets.dataset.AnySpec.

Responses may gain fields; a client ignores those it does not know.
"""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from core.datasets.dataset import AnySpec, Counts, DatasetState, DatasetView, ErrorInfo
from core.datasets.manifest import ShardRecord

DATASET_ID = r"^ds_[0-9a-f]{24}$"
SHARD_NAME = r"^[0-9]{6}\.tar$"
MODEL_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
MAX_BODY_BYTES = 1 << 20
MAX_IDEMPOTENCY_KEY = 255


class Wire(BaseModel):
    """Base of every response: immutable, unknown keys ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class DatasetOut(Wire):
    """One dataset, as far as it has got."""

    id: str = Field(examples=["ds_0123456789abcdef01234567"])
    state: DatasetState
    timestamps: dict[DatasetState, datetime] = Field(description="when each state was entered, UTC")
    spec: AnySpec = Field(description="the order; the seed is the one in use")
    bundle: str = Field(
        description="digest of the pinned model bundle", examples=["sha256:" + "0" * 64]
    )
    counts: Counts
    rate: float | None = Field(description="accepted samples a second, null before the first shard")
    eta_s: float | None = Field(description="seconds left at that rate, null when unknown or ended")
    error: ErrorInfo | None = Field(description="why a dataset failed")
    cancel_requested: bool
    links: dict[str, str] = Field(description="paths of what belongs to the dataset")

    @classmethod
    def from_view(cls, view: DatasetView, now: datetime) -> "DatasetOut":
        """Adds what depends on the clock: rate and time left."""
        path = f"/v1/datasets/{view.id}"
        rate, eta_s = _pace(view, now)
        return cls(
            id=view.id,
            state=view.state,
            timestamps=view.timestamps,
            spec=view.spec,
            bundle=view.bundle,
            counts=view.counts,
            rate=rate,
            eta_s=eta_s,
            error=view.error,
            cancel_requested=view.cancel_requested,
            links={"self": path}
            | {name: f"{path}/{name}" for name in ("events", "shards", "manifest", "cancel")},
        )


def _pace(view: DatasetView, now: datetime) -> tuple[float | None, float | None]:
    """(samples a second since the dataset runs, seconds left)."""
    start = view.timestamps.get(DatasetState.RUNNING, view.created_at)
    end = max(view.timestamps.values()) if view.state.terminal else now
    elapsed_s = (end - start).total_seconds()
    if view.counts.accepted == 0 or elapsed_s <= 0:
        return None, None
    rate = view.counts.accepted / elapsed_s
    left = None if view.state.terminal else (view.counts.requested - view.counts.accepted) / rate
    return rate, left


class DatasetPage(Wire):
    """Datasets, newest first."""

    items: list[DatasetOut]
    next_cursor: str | None = Field(
        description="pass as `cursor` for the next page; null on the last one"
    )


class ShardOut(Wire):
    """One committed shard: a WebDataset tar."""

    name: str = Field(pattern=SHARD_NAME, examples=["000000.tar"])
    samples: int
    size_bytes: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the tar")
    url: str = Field(description="presigned: needs no key, expires")

    @classmethod
    def from_record(cls, record: ShardRecord, url: str) -> "ShardOut":
        return cls(
            name=record.name,
            samples=record.samples,
            size_bytes=record.size_bytes,
            sha256=record.sha256,
            url=url,
        )


class ShardPage(Wire):
    """Committed shards in shard order."""

    items: list[ShardOut]
    next_cursor: str | None = Field(
        description="pass as `cursor` for the next page; null on the last one for now"
    )


class ModelOut(Wire):
    """A model: its aliases and its champion, the bundle that `model: NAME` stands for."""

    name: str = Field(examples=["humans"])
    aliases: dict[str, str] = Field(description="alias -> digest of the bundle in force")
    resolution: int | None = Field(
        description="pixels a side of the champion's samples; null without a champion"
    )
    thresholds: Mapping[str, float] = Field(description="the champion's filter, by criterion")
    card: Mapping[str, object] = Field(description="the champion's data, training and figures")


class ModelPage(Wire):
    """Every model."""

    items: list[ModelOut]


class Health(Wire):
    """The service's own state."""

    status: str = Field(examples=["READY"])


class FieldError(Wire):
    """One thing wrong with a request."""

    pointer: str = Field(
        description="where, as a JSON pointer or the name of a parameter", examples=["/count"]
    )
    detail: str


class Problem(Wire):
    """An error by RFC 9457, sent as application/problem+json."""

    type: str = Field(examples=["urn:matteforge:problem:invalid_spec"])
    title: str = Field(examples=["The order is not valid."])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["count: Input should be greater than or equal to 1"])
    code: str = Field(description="stable, made for programs", examples=["invalid_spec"])
    errors: list[FieldError] | None = None
