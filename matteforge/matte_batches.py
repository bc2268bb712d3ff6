"""Many pictures cut out by one order, as Python methods."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Unpack

import httpx

from matteforge import events
from matteforge import matte_batch_calls as calls
from matteforge.calls import MatteOptions
from matteforge.errors import LocalStorageError, MatteForgeUnavailable
from matteforge.events import EventOut
from matteforge.schemas.mattes import BatchPictureOut, MatteBatchOut
from matteforge.transport import Transport

PIECE_BYTES = 1 << 20


class MatteBatches:
    """What `MatteForge.matte_batches` offers. Errors as there."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def order(
        self,
        archive: Path | bytes | None = None,
        *,
        prefix: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[MatteOptions],
    ) -> MatteBatchOut:
        """Cut out the pictures of a zip, or those in the object store's folder
        incoming/TENANT/PREFIX; options as of `MatteForge.matte`."""
        return self._transport.send(calls.order_batch(archive, prefix, idempotency_key, options))

    def get(self, batch_id: str) -> MatteBatchOut:
        return self._transport.send(calls.batch(batch_id))

    def list(self) -> Iterator[MatteBatchOut]:
        """Newest first, all pages."""
        call = calls.batches()
        while True:
            page = self._transport.send(call)
            yield from page.items
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    def pictures(self, batch_id: str) -> Iterator[BatchPictureOut]:
        """Each picture, with its result or what is wrong with it."""
        call = calls.pictures(batch_id)
        while True:
            page = self._transport.send(call)
            yield from page.items
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    def cancel(self, batch_id: str) -> MatteBatchOut:
        """No further pictures; what is made stays."""
        return self._transport.send(calls.cancel_batch(batch_id))

    def delete(self, batch_id: str) -> None:
        """Remove a batch that has ended, with its results."""
        self._transport.send(calls.delete_batch(batch_id))

    def wait(
        self,
        batch_id: str,
        on_progress: Callable[[MatteBatchOut], None] | None = None,
        *,
        poll_s: float = 1.0,
        timeout_s: float | None = None,
    ) -> MatteBatchOut:
        """Poll until the batch has ended, however it ended. TimeoutError after `timeout_s`."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            batch = self.get(batch_id)
            if on_progress:
                on_progress(batch)
            if batch.state.terminal:
                return batch
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{batch_id} is still {batch.state} after {timeout_s} s")
            self._transport.sleep(poll_s)

    def events(self, batch_id: str, *, last_event_id: str | None = None) -> Iterator[EventOut]:
        """Progress as it happens, each event with the whole batch, reconnecting where it broke off,
        until the batch has ended or was removed."""
        reading = events.Reading("matte-batches", batch_id, last_event_id, self._transport.attempts)
        return events.read(self._transport, reading)

    def download(self, batch_id: str, path: Path) -> None:
        """The zip of all results, and outcomes.csv in it."""
        url = self._transport.send(calls.result_url(batch_id))
        fetch(url, path, timeout=self._transport.http.timeout)


def fetch(url: str, path: Path, *, timeout: httpx.Timeout) -> None:
    """A whole file or none. Raises MatteForgeUnavailable or LocalStorageError."""
    part = path.with_name(f"{path.name}.part")
    try:
        with httpx.stream("GET", url, timeout=timeout) as answer, part.open("wb") as file:
            answer.raise_for_status()
            for piece in answer.iter_bytes(PIECE_BYTES):
                file.write(piece)
        os.replace(part, path)
    except httpx.HTTPError as error:
        part.unlink(missing_ok=True)
        raise MatteForgeUnavailable(f"the results could not be fetched: {error}") from error
    except OSError as error:
        part.unlink(missing_ok=True)
        raise LocalStorageError(f"{path} can't be written: {error.strerror or error}") from error
