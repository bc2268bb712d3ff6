"""Datasets as Python methods, for both clients."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Unpack

import httpx

from matteforge.calls import Call, OrderOptions, bytes_of, call_of, delete, given, items_of, path_of
from matteforge.download import Progress, Source, download
from matteforge.events import EventOut, EventStream
from matteforge.methods import Blocking, Pages, Steps, Stream, answered, iterated
from matteforge.schemas.datasets import DatasetOut, DatasetPage, DatasetState, ShardOut, ShardPage
from matteforge.schemas.files import FileList, FileOut
from matteforge.waiting import until_ended

DATASETS_A_PAGE = 100


class DatasetMethods:
    """What MatteForge does with datasets. Errors as there."""

    def _plain_client(self) -> AbstractContextManager[Source]:
        """A client for work in a thread."""
        raise NotImplementedError

    @answered
    def order(
        self, count: int, *, idempotency_key: str | None = None, **options: Unpack[OrderOptions]
    ) -> Call[DatasetOut]:
        """Order `count` image-alpha pairs. Without a key of yours one is drawn, so that a retry
        never orders twice."""
        body = {"count": count, **options}
        return call_of("POST", "datasets", schema=DatasetOut, json=body).once(idempotency_key)

    @answered
    def get(self, dataset_id: str) -> Call[DatasetOut]:
        return _look(dataset_id)

    @iterated
    def list(self, *, state: DatasetState | str | None = None) -> Pages[DatasetOut]:
        """Newest first, all pages."""
        only = given(state=state)
        return Pages(call_of("GET", "datasets", schema=DatasetPage, limit=DATASETS_A_PAGE, **only))

    @answered
    def cancel(self, dataset_id: str) -> Call[DatasetOut]:
        """No further shards; what is committed stays."""
        return call_of("POST", "datasets", dataset_id, "cancel", schema=DatasetOut)

    @answered
    def set_expiry(self, dataset_id: str, expires_at: datetime | None) -> Call[DatasetOut]:
        """Let it be deleted at that time, which needs a time zone; None: never."""
        body = {"expires_at": expires_at.isoformat() if expires_at else None}
        return call_of("PUT", "datasets", dataset_id, "expiry", schema=DatasetOut, json=body)

    @answered
    def delete(self, dataset_id: str) -> Call[None]:
        return delete("datasets", dataset_id)

    @answered
    def wait(
        self,
        dataset_id: str,
        on_progress: Callable[[DatasetOut], None] | None = None,
        *,
        poll_s: float = 1.0,
        timeout_s: float | None = None,
    ) -> Steps[DatasetOut]:
        """Poll until the dataset has ended, however it ended. TimeoutError after `timeout_s`."""
        return until_ended(_look(dataset_id), on_progress, poll_s, timeout_s)

    @iterated
    def events(self, dataset_id: str, *, last_event_id: str | None = None) -> Stream[EventOut]:
        """Progress as it happens, reconnecting where it broke off, until the dataset has ended or
        was deleted."""
        return EventStream("datasets", dataset_id, last_event_id)

    # Shards

    @iterated
    def shards(self, dataset_id: str) -> Pages[ShardOut]:
        """Committed shards in order, all pages."""
        parts = ("datasets", dataset_id, "shards")
        return Pages(call_of("GET", *parts, schema=ShardPage, limit=DATASETS_A_PAGE))

    @answered
    def shard_url(self, dataset_id: str, name: str) -> Call[str]:
        """A fresh presigned URL of one shard."""

        def read(response: httpx.Response) -> str:
            return str(response.headers.get("Location", response.request.url))

        # A service that sends shards itself redirects to nobody: one byte is enough to know.
        path = path_of("datasets", dataset_id, "shards", name)
        return Call(method="GET", path=path, read=read, headers={"Range": "bytes=0-0"})

    @answered
    def manifest(self, dataset_id: str) -> Call[bytes]:
        """manifest.json as it is stored; only a dataset that has ended has one."""
        return bytes_of("datasets", dataset_id, "manifest")

    @answered
    def download(
        self,
        dataset_id: str,
        directory: Path | str,
        *,
        workers: int = 4,
        split: str | None = None,
        partial: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Steps[Sequence[Path]]:
        """Downloads into DIRECTORY/ID, as `matteforge.download.download` does."""

        def fetch() -> Sequence[Path]:
            with self._plain_client() as client:
                return download(
                    client,
                    dataset_id,
                    Path(directory),
                    workers=workers,
                    split=split,
                    partial=partial,
                    on_progress=on_progress,
                )

        paths: Sequence[Path] = yield Blocking(fetch)
        return paths

    @answered
    def files(self, dataset_id: str) -> Call[Sequence[FileOut]]:
        """What lies beside the shards, with URLs that need no key."""
        return items_of(call_of("GET", "datasets", dataset_id, "files", schema=FileList))


def _look(dataset_id: str) -> Call[DatasetOut]:
    return call_of("GET", "datasets", dataset_id, schema=DatasetOut)
