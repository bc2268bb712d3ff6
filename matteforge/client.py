"""The MatteForge API as Python methods."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import httpx

from matteforge import calls, events, key_calls
from matteforge.calls import MatteOptions, OrderOptions
from matteforge.derived import DerivedMethods
from matteforge.download import Progress, download
from matteforge.events import EventOut
from matteforge.matte_batches import MatteBatches
from matteforge.samples import SampleMethods
from matteforge.schemas.audit import AuditLine
from matteforge.schemas.datasets import DatasetOut, DatasetState, ShardOut
from matteforge.schemas.files import FileOut
from matteforge.schemas.keys import KeyChange, KeyIn, KeyOut, NewKeyOut
from matteforge.schemas.mattes import MatteOut
from matteforge.schemas.models import ModelOut
from matteforge.training import Training
from matteforge.transport import Transport, authorization
from matteforge.webhooks import Webhooks


class MatteForge(SampleMethods, DerivedMethods):
    """One service, one key. Thread-safe; close it, or use it as a context manager.

    Every method raises MatteForgeRequestError when the service refuses and MatteForgeUnavailable
    when it stays silent.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_s: float = 30,
        attempts: int = 5,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = authorization(api_key)
        http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s, transport=transport)
        self.transport = Transport(http, attempts=attempts)
        self.training = Training(self.transport)
        self.matte_batches = MatteBatches(self.transport)
        self.webhooks = Webhooks(self.transport)

    def close(self) -> None:
        self.transport.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Datasets

    def order(
        self, count: int, *, idempotency_key: str | None = None, **options: Unpack[OrderOptions]
    ) -> DatasetOut:
        """Order `count` image-alpha pairs. Without a key of yours one is drawn, so that a retry
        never orders twice."""
        return self.transport.send(calls.order(count, idempotency_key, options))

    def get(self, dataset_id: str) -> DatasetOut:
        return self.transport.send(calls.get(dataset_id))

    def list(self, *, state: DatasetState | str | None = None) -> Iterator[DatasetOut]:
        """Newest first, all pages."""
        call = calls.datasets(state)
        while True:
            page = self.transport.send(call)
            yield from page.items
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    def cancel(self, dataset_id: str) -> DatasetOut:
        """No further shards; what is committed stays."""
        return self.transport.send(calls.cancel(dataset_id))

    def set_expiry(self, dataset_id: str, expires_at: datetime | None) -> DatasetOut:
        """Let it be deleted at that time, which needs a time zone; None: never."""
        return self.transport.send(calls.set_expiry(dataset_id, expires_at))

    def delete(self, dataset_id: str) -> None:
        self.transport.send(calls.delete(dataset_id))

    def wait(
        self,
        dataset_id: str,
        on_progress: Callable[[DatasetOut], None] | None = None,
        *,
        poll_s: float = 1.0,
        timeout_s: float | None = None,
    ) -> DatasetOut:
        """Poll until the dataset has ended, however it ended. TimeoutError after `timeout_s`."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            dataset = self.get(dataset_id)
            if on_progress:
                on_progress(dataset)
            if dataset.state.terminal:
                return dataset
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{dataset_id} is still {dataset.state} after {timeout_s} s")
            self.transport.sleep(poll_s)

    def events(self, dataset_id: str, *, last_event_id: str | None = None) -> Iterator[EventOut]:
        """Progress as it happens, reconnecting where it broke off, until the dataset has ended or
        was deleted."""
        reading = events.Reading("datasets", dataset_id, last_event_id, self.transport.attempts)
        return events.read(self.transport, reading)

    # Shards

    def shards(self, dataset_id: str) -> Iterator[ShardOut]:
        """Committed shards in order, all pages."""
        call = calls.shards(dataset_id)
        while True:
            page = self.transport.send(call)
            yield from page.items
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    def shard_url(self, dataset_id: str, name: str) -> str:
        """A fresh presigned URL of one shard."""
        return self.transport.send(calls.shard_url(dataset_id, name))

    def manifest(self, dataset_id: str) -> bytes:
        """manifest.json as it is stored; only a dataset that has ended has one."""
        return self.transport.send(calls.manifest(dataset_id))

    def download(
        self,
        dataset_id: str,
        directory: Path | str,
        *,
        workers: int = 4,
        split: str | None = None,
        partial: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Sequence[Path]:
        """Downloads into DIRECTORY/ID, as `matteforge.download.download` does."""
        return download(
            self,
            dataset_id,
            Path(directory),
            workers=workers,
            split=split,
            partial=partial,
            on_progress=on_progress,
        )

    def files(self, dataset_id: str) -> Sequence[FileOut]:
        """What lies beside the shards, with URLs that need no key."""
        return self.transport.send(calls.files(dataset_id)).items

    # Mattes

    def matte(
        self, image: bytes, *, timeout_s: float | None = None, **options: Unpack[MatteOptions]
    ) -> tuple[MatteOut, bytes]:
        """Cut a picture out: what is known of it, and a PNG. MatteForgeRequestError when the
        picture is refused, TimeoutError after `timeout_s`."""
        made = self.transport.send(calls.matte(image, options))
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pauses_s = calls.matte_pauses()
        while made.state == "waiting":
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{made.id} is not done after {timeout_s} s")
            self.transport.sleep(next(pauses_s))
            made = self.transport.send(calls.get_matte(made.id))
        return calls.finished(made), self.transport.send(calls.matte_result(made.id))

    # Models

    def models(self) -> Sequence[ModelOut]:
        return self.transport.send(calls.models()).items

    def model(self, name: str) -> ModelOut:
        return self.transport.send(calls.model(name))

    # Keys, for admins

    def keys(self) -> Sequence[KeyOut]:
        """Every key that was not revoked, without secrets."""
        return self.transport.send(key_calls.keys()).items

    def create_key(self, wanted: KeyIn) -> NewKeyOut:
        """The answer holds the secret, once: never repeated, so a lost answer leaves a key that
        nobody has."""
        return self.transport.send(key_calls.create_key(wanted))

    def change_key(self, key_id: str, wanted: KeyChange) -> KeyOut:
        """Set the limits, or the end, that `wanted` names; what it leaves out stays."""
        return self.transport.send(key_calls.change_key(key_id, wanted))

    def rotate_key(self, key_id: str) -> NewKeyOut:
        """A new secret; the old one is revoked at once."""
        return self.transport.send(key_calls.rotate_key(key_id))

    def revoke_key(self, key_id: str) -> None:
        self.transport.send(key_calls.revoke_key(key_id))

    def audit(
        self,
        *,
        key: str | None = None,
        tenant: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[AuditLine]:
        """Who changed what, newest first, all pages; times need a time zone."""
        call = calls.audit(key, tenant, since, until)
        while True:
            page = self.transport.send(call)
            yield from page.items
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)
