"""Wire schemas: what the REST API answers. The order itself is matteforge.schemas.orders.AnySpec.

Responses may gain fields; a client ignores those it does not know.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from matteforge.schemas.base import Frozen, Wire
from matteforge.schemas.names import SHA256, SHARD_NAME
from matteforge.schemas.orders import AnySpec

MAX_BODY_BYTES = 1 << 20
MAX_IDEMPOTENCY_KEY = 255


class DatasetState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({DatasetState.COMPLETED, DatasetState.FAILED, DatasetState.CANCELLED})


class Counts(Frozen):
    """Progress in samples (and shards). attempted = accepted + all rejected, once every shard is
    done."""

    requested: int = Field(ge=0)
    accepted: int = Field(0, ge=0)
    attempted: int = Field(0, ge=0)
    rejected: dict[str, int] = Field(default_factory=dict, description="rejections by criterion")
    shards_done: int = Field(0, ge=0)
    shards_total: int = Field(ge=0)
    size_bytes: int = Field(0, ge=0, description="of committed shards; 0 where it was not noted")
    attributes: dict[str, dict[str, int]] = Field(
        default_factory=dict,
        description="accepted samples by attribute and value; of rendered portraits only",
    )


class InWork(Frozen):
    """Shards that workers are making now: what is in them so far, and is lost if they are cancelled
    before they are committed."""

    shards: int = Field(0, ge=0)
    accepted: int = Field(0, ge=0)
    attempted: int = Field(0, ge=0)
    rejected: dict[str, int] = Field(default_factory=dict, description="rejections by criterion")


class Waiting(Wire):
    """Why nobody works on a dataset now."""

    ahead: int = Field(description="orders that are served before it")
    reason: str = Field(examples=["1 order is served before it"])


class EstimateOut(Wire):
    """How long an order takes, from what was measured here."""

    shards: int
    shard_size: int = Field(description="samples a shard")
    workers: int = Field(description="workers that take such shards now")
    seconds_a_sample: float | None = Field(description="of one worker; null without history")
    first_shard_s: float | None = Field(description="until something can be downloaded")
    total_s: float | None = Field(description="until the end, once it is its turn")
    size_bytes: int = Field(0, description="of all shards, about")
    acceptance: float | None = Field(
        None,
        description="share of candidates that pass, in the newest orders of this model and filter; "
        "null without one",
    )
    basis: str = Field(examples=["the last shards of this model, source and size"])


class ErrorInfo(Frozen):
    """Why a dataset failed: the stable code and a sentence for people."""

    code: str
    detail: str


class DatasetOut(Wire):
    """One dataset, as far as it has got."""

    id: str = Field(examples=["ds_0123456789abcdef01234567"])
    state: DatasetState
    timestamps: dict[DatasetState, datetime] = Field(description="when each state was entered, UTC")
    spec: AnySpec = Field(description="the order; the seed is the one in use")
    bundle: str = Field(
        description="digest of the pinned model bundle", examples=["sha256:" + "0" * 64]
    )
    counts: Counts = Field(description="of committed shards")
    in_work: InWork = Field(
        default_factory=InWork, description="beyond `counts`, told every second"
    )
    waiting: Waiting | None = Field(None, description="null while somebody works on it")
    estimate: EstimateOut | None = Field(None, description="when it was ordered; null later")
    rate: float | None = Field(description="accepted samples a second, null before the first one")
    eta_s: float | None = Field(description="seconds left at that rate, null when unknown or ended")
    error: ErrorInfo | None = Field(description="why a dataset failed")
    cancel_requested: bool
    damaged: bool = Field(
        False, description="a check found shards that are missing or have other bytes than recorded"
    )
    expires_at: datetime | None = Field(None, description="when it is deleted; null: never")
    links: dict[str, str] = Field(description="paths of what belongs to the dataset")


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
    sha256: str = Field(pattern=SHA256, description="of the tar")
    url: str = Field(description="presigned: needs no key, expires")


class ShardPage(Wire):
    """Committed shards in shard order."""

    items: list[ShardOut]
    next_cursor: str | None = Field(
        description="pass as `cursor` for the next page; null on the last one for now"
    )
