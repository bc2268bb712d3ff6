"""A batch of pictures, a part at a time: whoever has made one rings for the next.

So pictures that are sent one by one never wait for a whole batch, and several batches take turns.
"""

import logging
from contextlib import AbstractContextManager
from datetime import timedelta

from core import keys
from core.datasets.dataset import utcnow
from core.errors import (
    CheckpointRejected,
    NotFound,
    PictureRejected,
    SourceUnavailable,
    TransientError,
)
from core.leases import HeldLease, hold
from core.matte_batch import BatchEnd, BatchPicture, BatchPictures, BatchRecord, batch_lease
from core.matte_batches import BACKGROUND, MatteBatches
from core.mattes import PICTURE, MatteOutcome
from core.messages import BATCH_ABREAST, PRIORITY_LAST, RunMatteBatch
from matteforge.schemas.datasets import DatasetState, ErrorInfo
from matteforge.schemas.mattes import MAX_PICTURE_BYTES
from models.imaging.pixels import U8
from workers.context import Context
from workers.mattes.end_batch import end_batch
from workers.mattes.run_matte import MAX_PIXELS, MAX_TRIES, TRIES_S, decoded, matte_of
from workers.mattes.unpack import pictures_of

ARRIVAL = timedelta(minutes=15)  # of an archive, after its order

log = logging.getLogger(__name__)


def run_matte_batch(context: Context, batch_id: str, max_pixels: int = MAX_PIXELS) -> None:
    """Unpack a batch, make its next part, or end it. Does nothing where nothing is left to do, or
    others do it. Raises TransientError: the reconciler rings again."""
    batches = MatteBatches(context.catalog.store)
    try:
        record = batches.record(batch_id)
        if batches.end(batch_id) is None:
            BatchWork(context, batches, record, max_pixels).go_on()
    except NotFound:
        log.info("%s is gone, or not here yet", batch_id)
    except (PictureRejected, CheckpointRejected, SourceUnavailable) as error:
        fault = ErrorInfo(code=error.code, detail=error.detail)
        batches.finish(batch_id, BatchEnd(state=DatasetState.FAILED, at=utcnow(), error=fault))
        log.info("%s failed: %s", batch_id, error.detail)


class BatchWork:
    """What one message of a batch asks for."""

    def __init__(
        self, context: Context, batches: MatteBatches, record: BatchRecord, max_pixels: int
    ) -> None:
        self._context = context
        self._batches = batches
        self._record = record
        self._max_pixels = max_pixels

    def go_on(self) -> None:
        """Whatever is next. Raises as run_matte_batch, and what tells that nothing can be made."""
        batch_id, pictures = self._record.id, self._batches.pictures(self._record.id)
        if pictures is None:
            with self._held() as lease:
                if lease:
                    self._begin(lease)
            return
        done = self._batches.parts(batch_id)
        left = [part for part in pictures.parts if part not in done]
        if left and not self._batches.is_cancelled(batch_id):
            self._make_one_of(left, pictures)
        elif not self._context.leases.held(batch_lease(batch_id, part) for part in left):
            with self._held() as lease:
                if lease and self._batches.end(batch_id) is None:
                    end_batch(self._batches, self._record, pictures, lease)

    def _begin(self, lease: HeldLease) -> None:
        """Find out which pictures there are."""
        batch_id, store = self._record.id, self._batches.store
        if self._batches.is_cancelled(batch_id):
            end = BatchEnd(state=DatasetState.CANCELLED, at=utcnow())
            self._batches.finish(batch_id, end)
            return
        try:
            pictures = pictures_of(store, self._record)
        except NotFound:
            if utcnow() - self._record.created_at < ARRIVAL:
                raise
            raise PictureRejected("the archive never arrived; send the batch again") from None
        self._background()  # what is wrong with it is told before anything is made
        lease.check()
        self._batches.put_pictures(batch_id, pictures)
        self._ring(min(BATCH_ABREAST, len(pictures.parts)))

    def _make_one_of(self, left: list[int], pictures: BatchPictures) -> None:
        for part in left:
            with self._held(part) as lease:
                if lease is None or part in self._batches.parts(self._record.id):
                    continue
                self._make(part, pictures, lease)
            self._ring(1)
            return

    def _make(self, part: int, pictures: BatchPictures, lease: HeldLease) -> None:
        self._context.stylematte(
            self._record.matte.bundle
        )  # that it can't be loaded ends the batch
        background, outcomes = self._background(), []
        for index in pictures.of_part(part):
            if self._batches.is_cancelled(self._record.id):
                return
            outcomes.append(self._one(index, pictures.items[index], background, lease))
        lease.check()
        self._batches.put_part(self._record.id, part, outcomes)

    def _one(
        self, index: int, picture: BatchPicture, background: U8 | None, lease: HeldLease
    ) -> MatteOutcome:
        """Make one picture's matte; what is wrong with it is told, and the others go on."""
        name = f"matte-batch/{self._record.id}/{index}"
        try:
            if self._context.leases.begin_try(name, TRIES_S) > MAX_TRIES:
                raise PictureRejected(f"{MAX_TRIES} workers ended while they worked on it")
            content = self._content(picture)
            outcome, result = matte_of(
                self._context, self._record.matte, content, background, self._max_pixels
            )
            lease.check()
            key = keys.matte_batch(self._record.id, f"results/{picture.result}")
            self._batches.store.put(key, result, content_type="image/png")
        except TransientError:
            self._context.leases.end_try(name)
            raise
        except PictureRejected as error:
            outcome = MatteOutcome(code=error.code, detail=error.detail)
        self._context.leases.end_try(name)
        return outcome

    def _content(self, picture: BatchPicture) -> bytes:
        if picture.key is None:
            raise PictureRejected(picture.refused)
        info = self._batches.store.head(picture.key)
        if info is None:
            raise PictureRejected("it is gone from the store")
        if info.size_bytes > MAX_PICTURE_BYTES:
            raise PictureRejected(f"it has more than {MAX_PICTURE_BYTES >> 20} MiB")
        return self._batches.store.get(picture.key)[0]

    def _background(self) -> U8 | None:
        if self._record.matte.background != PICTURE:
            return None
        content = self._batches.store.get(keys.matte_batch(self._record.id, BACKGROUND))[0]
        return decoded(content, "the background", self._max_pixels).rgb

    def _held(self, part: int | None = None) -> AbstractContextManager[HeldLease | None]:
        own, name = self._context.settings, batch_lease(self._record.id, part)
        return hold(self._context.leases, name, ttl_s=own.lease_ttl_s, renew_s=own.lease_renew_s)

    def _ring(self, times: int) -> None:
        for _ in range(times):
            message = RunMatteBatch(batch_id=self._record.id)
            self._context.doorbell.ring(message, priority=PRIORITY_LAST)
