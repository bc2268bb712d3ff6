"""Many pictures cut out by one order, as coroutines: as matteforge.matte_batches."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Unpack

from matteforge import events
from matteforge import matte_batch_calls as calls
from matteforge.calls import MatteOptions
from matteforge.events import EventOut
from matteforge.matte_batches import fetch
from matteforge.schemas.mattes import BatchPictureOut, MatteBatchOut
from matteforge.transport import AsyncTransport


class AsyncMatteBatches:
    """What `AsyncMatteForge.matte_batches` offers: as MatteBatches."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def order(
        self,
        archive: Path | bytes | None = None,
        *,
        prefix: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[MatteOptions],
    ) -> MatteBatchOut:
        return await self._transport.send(
            calls.order_batch(archive, prefix, idempotency_key, options)
        )

    async def get(self, batch_id: str) -> MatteBatchOut:
        return await self._transport.send(calls.batch(batch_id))

    async def list(self) -> AsyncIterator[MatteBatchOut]:
        call = calls.batches()
        while True:
            page = await self._transport.send(call)
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    async def pictures(self, batch_id: str) -> AsyncIterator[BatchPictureOut]:
        call = calls.pictures(batch_id)
        while True:
            page = await self._transport.send(call)
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    async def cancel(self, batch_id: str) -> MatteBatchOut:
        return await self._transport.send(calls.cancel_batch(batch_id))

    async def delete(self, batch_id: str) -> None:
        await self._transport.send(calls.delete_batch(batch_id))

    async def wait(
        self,
        batch_id: str,
        on_progress: Callable[[MatteBatchOut], None] | None = None,
        *,
        poll_s: float = 1.0,
        timeout_s: float | None = None,
    ) -> MatteBatchOut:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            batch = await self.get(batch_id)
            if on_progress:
                on_progress(batch)
            if batch.state.terminal:
                return batch
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{batch_id} is still {batch.state} after {timeout_s} s")
            await asyncio.sleep(poll_s)

    def events(self, batch_id: str, *, last_event_id: str | None = None) -> AsyncIterator[EventOut]:
        reading = events.Reading("matte-batches", batch_id, last_event_id, self._transport.attempts)
        return events.read_async(self._transport, reading)

    async def download(self, batch_id: str, path: Path) -> None:
        """Writes a file, so it runs in a thread, beside the event loop."""
        url = await self._transport.send(calls.result_url(batch_id))
        await asyncio.to_thread(fetch, url, path, timeout=self._transport.http.timeout)
