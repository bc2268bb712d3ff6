"""/v1/matte-batches: many pictures cut out by one order."""

import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Query, Response, UploadFile
from fastapi.responses import RedirectResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from core.errors import InvalidCursor, InvalidSpec
from core.matte_batches import MatteBatches
from matteforge.schemas.mattes import BatchPicturePage, MatteBatchOut, MatteBatchPage
from service import matte_batches
from service.dependencies import KeyDep, MatteBatchId, Services, ServicesDep, bearer
from service.event_stream import StreamReaderDep, documented_stream, follow
from service.matte_orders import WishDep
from service.parameters import Cursor, IdempotencyKey, LastEventId
from service.problems import documented, located

router = APIRouter(prefix="/v1/matte-batches", tags=["mattes"], dependencies=[bearer])

STORING_S = 300.0  # at most, for an archive that has arrived
POLL_S = 1.0
PREFIX = re.compile(r"[^\x00-\x1f\\]{1,500}")


@router.post(
    "", status_code=202, response_model=MatteBatchOut,
    responses=documented(400, 409, 413) | located(202, "Ordered; Location is the batch"),
    summary="Cut many pictures out",
)  # fmt: skip
def order(
    wish: WishDep,
    services: ServicesDep,
    response: Response,
    archive: Annotated[UploadFile | None, File(description="a zip of pictures")] = None,
    prefix: Annotated[
        str | None,
        Form(description="instead of a zip: a folder below incoming/TENANT/ of the object store"),
    ] = None,
    idempotency_key: IdempotencyKey = None,
) -> MatteBatchOut:
    """Upload a zip, or name a folder of the object store. What is wrong with a picture is told of
    it alone, and the others are made."""
    if (archive is None) == (prefix is None):
        raise InvalidSpec("archive: give either a zip in `archive` or a `prefix`")
    if archive is not None and not archive.size:
        raise InvalidSpec("archive: the file is empty")
    view = matte_batches.order_batch(
        services,
        wish,
        idempotency_key,
        archive=archive.file if archive else None,
        prefix=None if prefix is None else _folder(prefix),
    )
    out = matte_batches.batch_out(services, view)
    response.headers["Location"] = out.links["self"]
    return out


@router.get("", response_model=MatteBatchPage, responses=documented(400), summary="List batches")
def list_batches(
    services: ServicesDep,
    key: KeyDep,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> MatteBatchPage:
    """Newest first."""
    views, next_cursor = matte_batches.page_of_batches(services, key, cursor=cursor, limit=limit)
    items = [matte_batches.batch_out(services, view) for view in views]
    return MatteBatchPage(items=items, next_cursor=next_cursor)


@router.get(
    "/{batch_id}", response_model=MatteBatchOut, responses=documented(404),
    summary="Look at a batch",
)  # fmt: skip
def get_batch(batch_id: MatteBatchId, services: ServicesDep) -> MatteBatchOut:
    """How many pictures are made, and how it ended."""
    return matte_batches.batch_out(services, MatteBatches(services.store).view(batch_id))


@router.get(
    "/{batch_id}/pictures", response_model=BatchPicturePage, responses=documented(400, 404),
    summary="List a batch's pictures",
)  # fmt: skip
def list_pictures(
    batch_id: MatteBatchId,
    services: ServicesDep,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> BatchPicturePage:
    """Each with its result or with what is wrong with it; none before the archive is unpacked."""
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 9):
        raise InvalidCursor
    return matte_batches.page_of_pictures(services, batch_id, start=int(cursor or 0), limit=limit)


@router.get(
    "/{batch_id}/result", status_code=307, response_class=RedirectResponse,
    responses=documented(404, 409) | located(307, "To a presigned URL"),
    summary="Download a batch's results",
)  # fmt: skip
def get_result(batch_id: MatteBatchId, services: ServicesDep) -> str:
    """A redirect to a zip: each result, and outcomes.csv. 409 until the batch has ended."""
    return matte_batches.result_url(services, batch_id)


@router.post(
    "/{batch_id}/cancel", status_code=202, response_model=MatteBatchOut,
    responses=documented(404, 409), summary="Cancel a batch",
)  # fmt: skip
def cancel(batch_id: MatteBatchId, services: ServicesDep) -> MatteBatchOut:
    """It ends after the pictures under way; what is made stays."""
    return matte_batches.batch_out(services, matte_batches.cancel_batch(services, batch_id))


def _batch(batch_id: MatteBatchId, services: ServicesDep) -> str:
    return MatteBatches(services.store).record(batch_id).id


@router.get(
    "/{batch_id}/events", response_class=EventSourceResponse, summary="Follow a batch",
    responses=documented_stream(
        "`snapshot` whenever something changed, `state` at the end, each with the whole batch"
    ),
)  # fmt: skip
async def events(
    batch: Annotated[str, Depends(_batch)],
    services: ServicesDep,
    reader: StreamReaderDep,
    last_event_id: LastEventId = None,
) -> AsyncIterator[ServerSentEvent]:
    """Starts with a `snapshot` unless nothing happened since Last-Event-ID; ends with the `state`
    that ends the batch."""
    async for event in follow(_BatchFollower(services, batch, last_event_id), POLL_S, reader):
        yield event


class _BatchFollower:
    def __init__(self, services: Services, batch_id: str, cursor: str | None) -> None:
        self.ended = False
        self._services, self._batch_id, self._cursor = services, batch_id, cursor

    def look(self) -> list[ServerSentEvent]:
        view = MatteBatches(self._services.store).view(self._batch_id)
        self.ended = view.state.terminal
        event_id = f"{view.state}-{view.total}-{view.made}-{view.failed}-{view.cancel_requested}"
        if event_id == self._cursor and not self.ended:
            return []
        self._cursor = event_id
        out = matte_batches.batch_out(self._services, view)
        return [ServerSentEvent(event="state" if self.ended else "snapshot", data=out, id=event_id)]


@router.delete(
    "/{batch_id}", status_code=204, responses=documented(404, 409), summary="Delete a batch"
)
def delete(batch_id: MatteBatchId, services: ServicesDep) -> None:
    """With all its results. 409 before it has ended: cancel it first."""
    matte_batches.delete_batch(services, batch_id)


def _folder(prefix: str) -> str:
    """`prefix` as a folder. Raises InvalidSpec."""
    plain = prefix.strip("/")
    if PREFIX.fullmatch(plain) is None or {".", "..", ""} & set(plain.split("/")):
        raise InvalidSpec("prefix: name a folder below incoming/TENANT/, e.g. photos/june")
    return f"{plain}/"
