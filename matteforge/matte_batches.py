"""Many pictures cut out by one order, as Python methods for both clients."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Unpack

import httpx

from matteforge.calls import Call, MatteOptions, call_of, delete, path_of
from matteforge.errors import LocalStorageError, MatteForgeUnavailable
from matteforge.events import EventOut, EventStream
from matteforge.methods import (
    AsyncCaller,
    Blocking,
    Caller,
    Methods,
    Pages,
    Steps,
    Stream,
    answered,
    ask,
    iterated,
)
from matteforge.schemas.mattes import (
    BatchPictureOut,
    BatchPicturePage,
    MatteBatchOut,
    MatteBatchPage,
)
from matteforge.waiting import until_ended

BATCHES_A_PAGE = 20
PICTURES_A_PAGE = 1000
STORING_S = 300.0  # until the service has stored a large archive
PIECE_BYTES = 1 << 20


class MatteBatchMethods(Methods):
    """What the clients' `matte_batches` offers. Errors as in MatteForge."""

    @answered
    def order(
        self,
        archive: Path | bytes | None = None,
        *,
        prefix: str | None = None,
        idempotency_key: str | None = None,
        on_bytes: Callable[[int, int], object] | None = None,
        **options: Unpack[MatteOptions],
    ) -> Call[MatteBatchOut]:
        """Cut out the pictures of a zip, or those in the object store's folder
        incoming/TENANT/PREFIX; options as of `MatteForge.matte`. Without a key of yours one is
        drawn, so that a retry never orders twice. on_bytes: told how many bytes of the zip are
        sent by now, and how many there are."""
        files: dict[str, Path | bytes] = {}
        if archive is not None:
            files["archive"] = archive
        if "background_image" in options:
            files["background_image"] = options["background_image"]
        form = {name: str(value) for name, value in options.items() if name not in files}
        return Call(
            method="POST",
            path=path_of("matte-batches"),
            read=lambda response: MatteBatchOut.model_validate_json(response.content),
            files=files,
            form=form if prefix is None else {**form, "prefix": prefix},
            timeout_s=STORING_S,
            on_bytes=on_bytes,
        ).once(idempotency_key)

    @answered
    def get(self, batch_id: str) -> Call[MatteBatchOut]:
        return _look(batch_id)

    @iterated
    def list(self) -> Pages[MatteBatchOut]:
        """Newest first, all pages."""
        return Pages(call_of("GET", "matte-batches", schema=MatteBatchPage, limit=BATCHES_A_PAGE))

    @iterated
    def pictures(self, batch_id: str) -> Pages[BatchPictureOut]:
        """Each picture, with its result or what is wrong with it."""
        parts = ("matte-batches", batch_id, "pictures")
        return Pages(call_of("GET", *parts, schema=BatchPicturePage, limit=PICTURES_A_PAGE))

    @answered
    def cancel(self, batch_id: str) -> Call[MatteBatchOut]:
        """No further pictures; what is made stays."""
        return call_of("POST", "matte-batches", batch_id, "cancel", schema=MatteBatchOut)

    @answered
    def delete(self, batch_id: str) -> Call[None]:
        """Remove a batch that has ended, with its results."""
        return delete("matte-batches", batch_id)

    @answered
    def wait(
        self,
        batch_id: str,
        on_progress: Callable[[MatteBatchOut], None] | None = None,
        *,
        poll_s: float = 1.0,
        timeout_s: float | None = None,
    ) -> Steps[MatteBatchOut]:
        """Poll until the batch has ended, however it ended. TimeoutError after `timeout_s`."""
        return until_ended(_look(batch_id), on_progress, poll_s, timeout_s)

    @iterated
    def events(self, batch_id: str, *, last_event_id: str | None = None) -> Stream[EventOut]:
        """Progress as it happens, each event with the whole batch, reconnecting where it broke off,
        until the batch has ended or was removed."""
        return EventStream("matte-batches", batch_id, last_event_id)

    @answered
    def download(
        self, batch_id: str, path: Path, on_bytes: Callable[[int, int], object] | None = None
    ) -> Steps[None]:
        """The zip of all results, and outcomes.csv in it. on_bytes: told how many bytes are here by
        now, and how many there are."""
        parts = path_of("matte-batches", batch_id, "result")
        url = yield from ask(
            Call(method="GET", path=parts, read=lambda response: response.headers["Location"])
        )
        yield Blocking(lambda: fetch(url, path, on_bytes, timeout=self.transport.http.timeout))


class MatteBatches(MatteBatchMethods, Caller):
    """What `MatteForge.matte_batches` offers."""


class AsyncMatteBatches(MatteBatchMethods, AsyncCaller):
    """What `AsyncMatteForge.matte_batches` offers."""


def _look(batch_id: str) -> Call[MatteBatchOut]:
    return call_of("GET", "matte-batches", batch_id, schema=MatteBatchOut)


def fetch(
    url: str,
    path: Path,
    on_bytes: Callable[[int, int], object] | None = None,
    *,
    timeout: httpx.Timeout,
) -> None:
    """A whole file or none. Raises MatteForgeUnavailable or LocalStorageError."""
    part = path.with_name(f"{path.name}.part")
    try:
        with httpx.stream("GET", url, timeout=timeout) as answer, part.open("wb") as file:
            answer.raise_for_status()
            for piece in answer.iter_bytes(PIECE_BYTES):
                file.write(piece)
                if on_bytes is not None:
                    on_bytes(file.tell(), int(answer.headers.get("Content-Length", 0)))
        os.replace(part, path)
    except httpx.HTTPError as error:
        part.unlink(missing_ok=True)
        raise MatteForgeUnavailable(f"the results could not be fetched: {error}") from error
    except OSError as error:
        part.unlink(missing_ok=True)
        raise LocalStorageError(f"{path} can't be written: {error.strerror or error}") from error
