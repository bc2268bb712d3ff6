"""What MatteForge needs from the outside: an object store, a live view, leases and a doorbell.

Synchronous. Adapters live in core/adapters; all adapters of a port pass one contract suite
(test_*_contract.py). Adapters raise StoreUnavailable / LiveViewUnavailable (TransientError) once
their own bounded retries are spent, and StoreRefused (PermanentError) at once when the store
answers that the credentials are wrong or do not allow a call.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from core.datasets.dataset import DatasetView
from core.datasets.manifest import ShardRecord
from core.limits import Bucket, OrderNote, Taken
from core.messages import Consumer, Message
from matteforge.schemas.datasets import Counts, DatasetState, ErrorInfo, InWork


@dataclass(frozen=True, kw_only=True)
class ObjectInfo:
    """What a HEAD tells. `metadata` keys are lower case; values are ASCII."""

    key: str
    size_bytes: int
    etag: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """S3-compatible storage: the truth."""

    def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_none_match: bool = False,
        if_match: str | None = None,
    ) -> str:
        """Write an object, return its etag. PreconditionFailed: it exists (if_none_match) or has
        changed (if_match)."""

    def upload(
        self,
        key: str,
        path: Path,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_none_match: bool = False,
    ) -> str:
        """Write a file; in parts above the adapter's part size, aborted on failure. Else as put."""

    def get(self, key: str) -> tuple[bytes, ObjectInfo]:
        """A whole object. NotFound when there is none."""

    def get_range(self, key: str, start: int, size_bytes: int) -> bytes:
        """Bytes [start, start + size_bytes) of an object, fewer at its end. NotFound when there is
        none."""

    def head(self, key: str) -> ObjectInfo | None: ...

    def stream(self, key: str, *, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        """An object in chunks. NotFound is raised before the first chunk."""

    def list_keys(
        self, prefix: str, *, start_after: str = "", page_size: int = 1000
    ) -> Iterator[str]:
        """Keys under `prefix`, in ascending order, after `start_after` (a whole key), `page_size` a
        request."""

    def list_names(self, prefix: str) -> Iterator[str]:
        """Names directly under `prefix` (which ends in /), ascending, without those in folders."""

    def list_etags(self, prefix: str) -> Iterator[tuple[str, str]]:
        """The same names, each with its object's etag."""

    def list_folders(self, prefix: str) -> Iterator[str]:
        """Names directly under `prefix` (which ends in /) that hold further objects, ascending,
        without slashes."""

    def delete(self, key: str) -> None:
        """Remove an object; removing what isn't there is no error."""

    def presign_get(self, key: str, *, expires_s: int) -> str:
        """A URL on the public endpoint that anyone may GET until it expires."""

    def probe(self) -> None:
        """Make the bucket if need be, and check that it honours If-None-Match, else StoreUnfit."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One progress event. `id` orders events of a dataset (a Redis stream id)."""

    id: str
    kind: str  # state | shard
    data: Mapping[str, Any]


class LiveView(Protocol):
    """The picture of what goes on, in Redis: fast to read, rebuilt from S3 when lost."""

    def ping(self) -> None: ...

    def is_initialised(self) -> bool:
        """False when Redis is empty or was flushed: `recover` must run."""

    def mark_initialised(self) -> None: ...

    def put(self, view: DatasetView, *, done: Iterable[int] = ()) -> None:
        """Insert a dataset, or replace everything known of it (recover); `done` are its committed
        shards."""

    def get(self, dataset_id: str) -> DatasetView | None: ...

    def remove(self, dataset_id: str) -> None: ...

    def page(
        self, *, state: DatasetState | None, after: str | None, limit: int
    ) -> tuple[list[DatasetView], str | None]:
        """Newest first; `after` is the cursor that the page before returned, None at the end.
        Raises InvalidCursor."""

    def active_ids(self) -> list[str]:
        """Datasets that are not in a terminal state."""

    def set_state(
        self,
        dataset_id: str,
        state: DatasetState,
        at: datetime,
        *,
        error: ErrorInfo | None = None,
        counts: Counts | None = None,
    ) -> bool:
        """Move a dataset forward (queued < running < finalizing < terminal) and publish a `state`
        event.

        False: unknown, or not forward.
        """

    def request_cancel(self, dataset_id: str) -> None: ...

    def add_shard(self, dataset_id: str, record: ShardRecord) -> bool:
        """Count a committed shard once (atomic), publish a `shard` event. False: counted before, or
        unknown dataset."""

    def report_work(self, dataset_id: str, shard: int, work: InWork, ttl_s: float) -> None:
        """Tell what is in a shard that is being made; forgotten after `ttl_s`, or with
        `add_shard`."""

    def withdraw_work(self, dataset_id: str, shard: int) -> None:
        """Nobody makes the shard any more."""

    def note_pace(self, kind: str, seconds_a_sample: float) -> None:
        """Remember how long a sample of this kind took, the last ones above all."""

    def pace(self, kind: str) -> float | None:
        """Seconds a sample of this kind takes a worker; None when none was made."""

    def forget_shard(self, dataset_id: str, shard: int) -> None:
        """Mark a shard as not done after all (S3 has no record of it); the next `put` mends the
        counters."""

    def undone(self, dataset_id: str, *, start: int, limit: int) -> list[int]:
        """The first `limit` shards from `start` on, below shards_total, that are not done."""

    def ring_mark(self, dataset_id: str, shard: int, at_s: float) -> bool:
        """Note that a message for the shard is in the queue. False: one is noted already."""

    def ring_marks(self, dataset_id: str) -> dict[int, float]:
        """Shards with a message in the queue -> when it was sent, seconds since the epoch."""

    def clear_ring_mark(self, dataset_id: str, shard: int) -> None: ...

    def events(self, dataset_id: str, *, after: str | None, limit: int = 100) -> list[Event] | None:
        """Events after that id (from the start of the stream when None). None: `after` is unknown
        or was trimmed."""

    def last_event_id(self, dataset_id: str) -> str:
        """Id of the newest event, "0-0" when there is none."""


class LeaseBook(Protocol):
    """Who works on what, what one of many does now and then, and what was tried in vain.

    A token proves that a lease is one's own.
    """

    def acquire(self, name: str, token: str, ttl_s: float) -> bool:
        """True: `token` holds the lease now (also when it held it before)."""

    def renew(self, name: str, token: str, ttl_s: float) -> bool:
        """False: another token holds it. A lease that vanished (FLUSHALL) is taken again."""

    def release(self, name: str, token: str) -> None: ...

    def held(self, names: Iterable[str]) -> set[str]:
        """Those of `names` that somebody holds."""

    def once_every(self, name: str, period_s: float) -> bool:
        """A timer that many processes share: True for the first who asks in each period."""

    def begin_try(self, name: str, window_s: float) -> int:
        """Count a try, and return how many were begun and not ended; all are forgotten `window_s`
        after the first."""

    def end_try(self, name: str) -> None:
        """Take back one try: it did not crash."""


class BucketBook(Protocol):
    """What the API's processes tell each other of limits: token buckets, orders being placed."""

    def take(self, bucket: Bucket, amount: float) -> Taken:
        """Take all of `amount`, or nothing; an amount below 0 gives back."""

    def begin_order(self, tenant: str, note: OrderNote) -> tuple[list[OrderNote], list[OrderNote]]:
        """Note an order. Returns those being placed, and those of the last RECENT_S, that were
        noted before it: of two at once exactly one sees the other."""

    def end_order(self, tenant: str, note: OrderNote, *, placed: bool) -> None:
        """It is placed now; or it was refused, and never was."""


class Doorbell(Protocol):
    """The broker."""

    def ring(self, message: Message, *, priority: int = 0) -> None:
        """Send it, 0 is served first; a dataset's Reconcile that waits already is not sent
        twice."""

    def rearm(self, message: Message) -> None:
        """To be called before the work that a Reconcile asks for: what is rung from now on is
        sent."""

    def depth(self, queue: str) -> int:
        """Messages waiting in the queue, all priorities."""

    def attend(self, consumer: Consumer) -> None:
        """A worker tells that it is there; it is forgotten unless it tells so again within 20 s."""

    def consumers(self) -> list[Consumer]:
        """The workers that are there, by name."""
