"""The MatteForge API as coroutines: the same calls as `MatteForge`, for an event loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import httpx

from matteforge import calls, events, key_calls
from matteforge.async_matte_batches import AsyncMatteBatches
from matteforge.async_training import AsyncTraining
from matteforge.calls import MatteOptions, OrderOptions
from matteforge.client import MatteForge
from matteforge.derived import AsyncDerivedMethods
from matteforge.download import Progress
from matteforge.events import EventOut
from matteforge.samples import AsyncSampleMethods
from matteforge.schemas.audit import AuditLine
from matteforge.schemas.datasets import DatasetOut, DatasetState, ShardOut
from matteforge.schemas.files import FileOut
from matteforge.schemas.keys import KeyChange, KeyIn, KeyOut, NewKeyOut
from matteforge.schemas.mattes import MatteOut
from matteforge.schemas.models import ModelOut
from matteforge.transport import AsyncTransport, authorization
from matteforge.webhooks import AsyncWebhooks


class AsyncMatteForge(AsyncSampleMethods, AsyncDerivedMethods):
    """One service, one key. Close it, or use it as an asynchronous context manager.

    Methods, arguments and errors are those of MatteForge; iterators are asynchronous.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_s: float = 30,
        attempts: int = 5,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        headers = authorization(api_key)
        http = httpx.AsyncClient(
            base_url=url, headers=headers, timeout=timeout_s, transport=transport
        )
        self.transport = AsyncTransport(http, attempts=attempts)
        self.training = AsyncTraining(self.transport)
        self.matte_batches = AsyncMatteBatches(self.transport)
        self.webhooks = AsyncWebhooks(self.transport)
        self._api_key = api_key

    async def aclose(self) -> None:
        await self.transport.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    # Datasets

    async def order(
        self, count: int, *, idempotency_key: str | None = None, **options: Unpack[OrderOptions]
    ) -> DatasetOut:
        return await self.transport.send(calls.order(count, idempotency_key, options))

    async def get(self, dataset_id: str) -> DatasetOut:
        return await self.transport.send(calls.get(dataset_id))

    async def list(self, *, state: DatasetState | str | None = None) -> AsyncIterator[DatasetOut]:
        call = calls.datasets(state)
        while True:
            page = await self.transport.send(call)
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    async def cancel(self, dataset_id: str) -> DatasetOut:
        return await self.transport.send(calls.cancel(dataset_id))

    async def set_expiry(self, dataset_id: str, expires_at: datetime | None) -> DatasetOut:
        """Let it be deleted at that time, which needs a time zone; None: never."""
        return await self.transport.send(calls.set_expiry(dataset_id, expires_at))

    async def delete(self, dataset_id: str) -> None:
        await self.transport.send(calls.delete(dataset_id))

    async def wait(
        self,
        dataset_id: str,
        on_progress: Callable[[DatasetOut], None] | None = None,
        *,
        poll_s: float = 1.0,
        timeout_s: float | None = None,
    ) -> DatasetOut:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            dataset = await self.get(dataset_id)
            if on_progress:
                on_progress(dataset)
            if dataset.state.terminal:
                return dataset
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{dataset_id} is still {dataset.state} after {timeout_s} s")
            await asyncio.sleep(poll_s)

    def events(
        self, dataset_id: str, *, last_event_id: str | None = None
    ) -> AsyncIterator[EventOut]:
        reading = events.Reading("datasets", dataset_id, last_event_id, self.transport.attempts)
        return events.read_async(self.transport, reading)

    # Shards

    async def shards(self, dataset_id: str) -> AsyncIterator[ShardOut]:
        call = calls.shards(dataset_id)
        while True:
            page = await self.transport.send(call)
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    async def shard_url(self, dataset_id: str, name: str) -> str:
        return await self.transport.send(calls.shard_url(dataset_id, name))

    async def manifest(self, dataset_id: str) -> bytes:
        return await self.transport.send(calls.manifest(dataset_id))

    async def download(
        self,
        dataset_id: str,
        directory: Path | str,
        *,
        workers: int = 4,
        split: str | None = None,
        partial: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Sequence[Path]:
        """Writes files, so it runs in threads, beside the event loop."""

        def fetch() -> Sequence[Path]:
            with MatteForge(
                str(self.transport.http.base_url),
                self._api_key,
                attempts=self.transport.attempts,
            ) as client:
                return client.download(
                    dataset_id,
                    directory,
                    workers=workers,
                    split=split,
                    partial=partial,
                    on_progress=on_progress,
                )

        return await asyncio.to_thread(fetch)

    async def files(self, dataset_id: str) -> Sequence[FileOut]:
        return (await self.transport.send(calls.files(dataset_id))).items

    # Mattes

    async def matte(
        self, image: bytes, *, timeout_s: float | None = None, **options: Unpack[MatteOptions]
    ) -> tuple[MatteOut, bytes]:
        """Does what MatteForge.matte does."""
        made = await self.transport.send(calls.matte(image, options))
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pauses_s = calls.matte_pauses()
        while made.state == "waiting":
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{made.id} is not done after {timeout_s} s")
            await asyncio.sleep(next(pauses_s))
            made = await self.transport.send(calls.get_matte(made.id))
        return calls.finished(made), await self.transport.send(calls.matte_result(made.id))

    # Models

    async def models(self) -> Sequence[ModelOut]:
        return (await self.transport.send(calls.models())).items

    async def model(self, name: str) -> ModelOut:
        return await self.transport.send(calls.model(name))

    # Keys, for admins

    async def keys(self) -> Sequence[KeyOut]:
        """Every key that was not revoked, without secrets."""
        return (await self.transport.send(key_calls.keys())).items

    async def create_key(self, wanted: KeyIn) -> NewKeyOut:
        """The answer holds the secret, once: never repeated, so a lost answer leaves a key that
        nobody has."""
        return await self.transport.send(key_calls.create_key(wanted))

    async def change_key(self, key_id: str, wanted: KeyChange) -> KeyOut:
        """Set the limits, or the end, that `wanted` names; what it leaves out stays."""
        return await self.transport.send(key_calls.change_key(key_id, wanted))

    async def rotate_key(self, key_id: str) -> NewKeyOut:
        """A new secret; the old one is revoked at once."""
        return await self.transport.send(key_calls.rotate_key(key_id))

    async def revoke_key(self, key_id: str) -> None:
        await self.transport.send(key_calls.revoke_key(key_id))

    async def audit(
        self,
        *,
        key: str | None = None,
        tenant: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncIterator[AuditLine]:
        """Who changed what, newest first, all pages; times need a time zone."""
        call = calls.audit(key, tenant, since, until)
        while True:
            page = await self.transport.send(call)
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)
