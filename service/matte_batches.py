"""What the API does with batches of mattes."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from core import keys
from core.datasets.dataset import utcnow
from core.errors import IdempotencyMismatch, InvalidCursor, NotFound, StateConflict, TransientError
from core.keyring import ApiKey
from core.matte_batch import BatchRecord, BatchView, new_batch_id
from core.matte_batches import RESULTS_ZIP, MatteBatches
from core.messages import PRIORITY_LAST, RunMatteBatch
from matteforge.schemas.datasets import DatasetState, ErrorInfo
from matteforge.schemas.mattes import (
    BatchPictureOut,
    BatchPicturePage,
    MatteBatchCounts,
    MatteBatchOut,
)
from service.dependencies import Services
from service.matte_orders import MatteWish

log = logging.getLogger(__name__)


def order_batch(
    services: Services,
    wish: MatteWish,
    idempotency_key: str | None,
    *,
    archive: IO[bytes] | None,
    prefix: str | None,
) -> BatchView:
    """Claim a batch and store what came with it, or answer with what the same key claimed before.

    Exactly one of archive and prefix is given. Raises IdempotencyMismatch.
    """
    batches, owner = MatteBatches(services.store), wish.order.owner
    with tempfile.NamedTemporaryFile(prefix="matteforge-upload-") as kept:
        if archive is not None:
            shutil.copyfileobj(archive, kept, 1 << 20)
            kept.flush()
        record = BatchRecord(
            id=new_batch_id(owner, idempotency_key),
            matte=wish.order,
            prefix=prefix,
            created_at=utcnow(),
            body_sha256=_sha256(wish, prefix, Path(kept.name)),
        )
        if not batches.claim(record):
            known = batches.record(record.id)
            if known.body_sha256 != record.body_sha256:
                raise IdempotencyMismatch
        if batches.pictures(record.id) is None and batches.end(record.id) is None:
            if wish.behind is not None:
                batches.put_background(record.id, wish.behind)
            if archive is not None:
                batches.put_archive(record.id, Path(kept.name))
            _ring(services, record.id)
    return batches.view(record.id)


def cancel_batch(services: Services, batch_id: str) -> BatchView:
    """Ask for the end; repeating it changes nothing. StateConflict when it ended otherwise."""
    batches = MatteBatches(services.store)
    end = batches.end(batch_id)
    if end is not None and end.state is not DatasetState.CANCELLED:
        raise StateConflict(f"{batch_id} is {end.state} already")
    if end is None:
        batches.cancel(batch_id, utcnow())
        _ring(services, batch_id)
    return batches.view(batch_id)


def delete_batch(services: Services, batch_id: str) -> None:
    """Remove a batch with its results. StateConflict while it is worked on."""
    batches = MatteBatches(services.store)
    if batches.end(batch_id) is None:
        raise StateConflict(f"{batch_id} has not ended; cancel it first")
    batches.remove(batch_id)


def page_of_batches(
    services: Services, key: ApiKey, *, cursor: str | None, limit: int
) -> tuple[list[BatchView], str | None]:
    """Batches of the key's tenant, newest first; `cursor` is the id that the page before ended
    with. Raises InvalidCursor."""
    batches = MatteBatches(services.store)
    ids = [record.id for record in batches.records() if key.sees(record.matte.owner)]
    if cursor is not None and cursor not in ids:
        raise InvalidCursor
    start = ids.index(cursor) + 1 if cursor is not None else 0
    shown = ids[start : start + limit]
    more = len(ids) > start + limit
    return list(_views(batches, shown)), shown[-1] if more else None


def page_of_pictures(
    services: Services, batch_id: str, *, start: int, limit: int
) -> BatchPicturePage:
    """How each picture is, from number `start` on; none as long as they are not known."""
    batches = MatteBatches(services.store)
    pictures = batches.pictures(batch_id)
    if pictures is None:
        return BatchPicturePage(items=[], next_cursor=None)
    wanted = range(start, min(start + limit, len(pictures.items)))
    items = []
    for index, outcome in zip(wanted, batches.outcomes(batch_id, pictures, wanted), strict=True):
        picture = pictures.items[index]
        done = outcome is not None and outcome.code is None
        key = keys.matte_batch(batch_id, f"results/{picture.result}")
        expires_s = services.settings.presign_expires_s
        items.append(
            BatchPictureOut(
                name=picture.name,
                state="waiting" if outcome is None else "done" if done else "failed",
                result=picture.result,
                width=outcome.width if outcome and done else None,
                height=outcome.height if outcome and done else None,
                seconds=outcome.seconds if outcome and done else None,
                error=ErrorInfo(code=outcome.code, detail=outcome.detail or "")
                if outcome and outcome.code
                else None,
                url=services.store.presign_get(key, expires_s=expires_s) if done else None,
            )
        )
    more = wanted.stop < len(pictures.items)
    return BatchPicturePage(items=items, next_cursor=str(wanted.stop) if more else None)


def result_url(services: Services, batch_id: str) -> str:
    """Where the zip of results is. StateConflict: there is none, or not yet."""
    end = MatteBatches(services.store).end(batch_id)
    if end is None:
        raise StateConflict(f"{batch_id} has not ended yet")
    if end.size_bytes is None:
        raise StateConflict(end.error.detail if end.error else f"{batch_id} made nothing")
    key = keys.matte_batch(batch_id, RESULTS_ZIP)
    return services.store.presign_get(key, expires_s=services.settings.presign_expires_s)


def batch_out(services: Services, view: BatchView) -> MatteBatchOut:
    """A batch as it is sent."""
    record, end = view.record, view.end
    path = f"/v1/matte-batches/{record.id}"
    links = {"self": path, "pictures": f"{path}/pictures", "events": f"{path}/events"}
    if end and end.size_bytes is not None:
        links["result"] = f"{path}/result"
    return MatteBatchOut(
        id=record.id,
        state=view.state,
        created_at=record.created_at,
        ended_at=end.at if end else None,
        output=record.matte.output,
        bundle=record.matte.bundle,
        prefix=record.prefix,
        counts=MatteBatchCounts(total=view.total, made=view.made, failed=view.failed),
        results=f"s3://{services.settings.s3_bucket}/{keys.matte_batch(record.id, 'results/')}",
        size_bytes=end.size_bytes if end else None,
        notice=end.notice if end else None,
        error=end.error if end else None,
        cancel_requested=view.cancel_requested,
        links=links,
    )


def _views(batches: MatteBatches, ids: Iterable[str]) -> Iterable[BatchView]:
    for batch_id in ids:
        try:
            yield batches.view(batch_id)
        except NotFound:
            continue  # removed meanwhile


def _sha256(wish: MatteWish, prefix: str | None, archive: Path) -> str:
    """What makes one order differ from another, as one digest."""
    fields = wish.order.model_dump_json(exclude={"bundle"})
    digest = hashlib.sha256(f"{fields}\0{wish.model}\0{prefix}\0".encode())
    digest.update(hashlib.sha256(wish.behind or b"").digest())
    with archive.open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _ring(services: Services, batch_id: str) -> None:
    try:
        services.doorbell.ring(RunMatteBatch(batch_id=batch_id), priority=PRIORITY_LAST)
    except TransientError as error:
        log.warning("no bell for %s; the next reconcile sees it: %s", batch_id, error.detail)
