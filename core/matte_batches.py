"""Many pictures cut out by one order: what is kept of them, and where.

matte-batches/ID/order.json               the claim, conditional, once
matte-batches/ID/archive.zip, background  what was sent, until it is unpacked, and until the end
matte-batches/ID/pictures.json            which pictures there are, once, when they are known
matte-batches/ID/sources/NNNNNN           those that came in the archive, until the end
matte-batches/ID/results/NAME.png         what was made
matte-batches/ID/parts/PPPPPP-M-F.json    how the pictures of a part ended: M made, F failed
matte-batches/ID/results.zip              all results, and a table of how each picture ended
matte-batches/ID/cancel.json, end.json    tombstone; the end, conditional, decides every race
matte-batches-active/TIME-ID              batches that have not ended
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

from core import keys
from core.conditional import Record, put_once, read_record
from core.datasets.dataset import utcnow
from core.errors import NotFound
from core.matte_batch import (
    PART,
    BatchEnd,
    BatchPart,
    BatchPictures,
    BatchRecord,
    BatchView,
)
from core.mattes import MatteOutcome
from core.ports import ObjectStore
from matteforge.schemas.base import Frozen
from matteforge.schemas.datasets import DatasetState

KEPT = timedelta(days=7)
READERS = 8
ARCHIVE, BACKGROUND, RESULTS_ZIP = "archive.zip", "background", "results.zip"


class MatteBatches:
    """The batches of one object store."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def claim(self, record: BatchRecord) -> bool:
        """False when the id is taken: read it and compare."""
        self.store.put(_active(record), record.id.encode())
        if self._write_once(record.id, "order.json", record):
            return True
        self.store.delete(_active(record))
        return False

    def record(self, batch_id: str) -> BatchRecord:
        """NotFound when there is no such batch, or it was removed."""
        found = self._read(batch_id, "order.json", BatchRecord)
        if found is None:
            raise NotFound(f"there is no batch {batch_id!r} of mattes")
        return found

    def records(self) -> list[BatchRecord]:
        """Every batch, newest first."""
        with ThreadPoolExecutor(READERS) as pool:
            ids = self.store.list_folders(keys.MATTE_BATCHES)
            found = pool.map(lambda id_: self._read(id_, "order.json", BatchRecord), ids)
            records = [record for record in found if record]
        return sorted(records, key=lambda record: (record.created_at, record.id), reverse=True)

    def put_archive(self, batch_id: str, path: Path) -> None:
        self.store.upload(keys.matte_batch(batch_id, ARCHIVE), path, content_type="application/zip")

    def put_background(self, batch_id: str, content: bytes) -> None:
        self.store.put(keys.matte_batch(batch_id, BACKGROUND), content)

    def pictures(self, batch_id: str) -> BatchPictures | None:
        """None as long as they are not known."""
        return self._read(batch_id, "pictures.json", BatchPictures)

    def put_pictures(self, batch_id: str, pictures: BatchPictures) -> None:
        self._write_once(batch_id, "pictures.json", pictures)

    def parts(self, batch_id: str) -> dict[int, tuple[int, int]]:
        """Parts that are done, with how many of their pictures were made and how many failed."""
        found: dict[int, tuple[int, int]] = {}
        for name in self.store.list_names(keys.matte_batch(batch_id, "parts/")):
            part, made, failed = map(int, name.removesuffix(".json").split("-"))
            found.setdefault(part, (made, failed))
        return found

    def put_part(self, batch_id: str, part: int, outcomes: Sequence[MatteOutcome]) -> None:
        failed = sum(outcome.code is not None for outcome in outcomes)
        name = _part_name(part, (len(outcomes) - failed, failed))
        self._write_once(batch_id, name, BatchPart(outcomes=list(outcomes)))

    def outcomes(
        self, batch_id: str, pictures: BatchPictures, wanted: range
    ) -> Iterator[MatteOutcome | None]:
        """How the pictures `wanted` ended, None for those that have not."""
        done = self.parts(batch_id)
        read: dict[int, list[MatteOutcome]] = {}
        for index in wanted:
            part = index // PART
            if part not in done:
                yield None
                continue
            if part not in read:
                found = self._read(batch_id, _part_name(part, done[part]), BatchPart)
                read = {part: found.outcomes if found else []}
            yield read[part][index - pictures.of_part(part).start]

    def cancel(self, batch_id: str, at: datetime) -> None:
        """Ask for the end; asking again changes nothing."""
        self._write_once(batch_id, "cancel.json", BatchEnd(state=DatasetState.CANCELLED, at=at))

    def is_cancelled(self, batch_id: str) -> bool:
        return self.store.head(keys.matte_batch(batch_id, "cancel.json")) is not None

    def end(self, batch_id: str) -> BatchEnd | None:
        return self._read(batch_id, "end.json", BatchEnd)

    def finish(self, batch_id: str, end: BatchEnd) -> BatchEnd:
        """End a batch, and forget the pictures that came; the true end is returned."""
        won = self._write_once(batch_id, "end.json", end)
        self.store.delete(_active(self.record(batch_id)))
        for name in (ARCHIVE, BACKGROUND):
            self.store.delete(keys.matte_batch(batch_id, name))
        for key in list(self.store.list_keys(keys.matte_batch(batch_id, "sources/"))):
            self.store.delete(key)
        return end if won else self.end(batch_id) or end

    def view(self, batch_id: str) -> BatchView:
        """NotFound when there is no such batch."""
        record, end = self.record(batch_id), self.end(batch_id)
        pictures, done = self.pictures(batch_id), self.parts(batch_id)
        working = DatasetState.QUEUED if pictures is None else DatasetState.RUNNING
        if pictures is not None and len(done) == len(pictures.parts):
            working = DatasetState.FINALIZING
        return BatchView(
            record=record,
            state=end.state if end else working,
            total=len(pictures.items) if pictures else None,
            made=sum(made for made, _ in done.values()),
            failed=sum(failed for _, failed in done.values()),
            cancel_requested=self.is_cancelled(batch_id),
            end=end,
        )

    def active(self) -> list[str]:
        """Ids of batches that have not ended, oldest first."""
        found, oldest = [], _active_key(utcnow() - KEPT, "")
        for key in list(self.store.list_keys(keys.MATTE_BATCHES_ACTIVE)):
            batch_id = key.rpartition("-")[2]
            known = self._read(batch_id, "order.json", BatchRecord) is not None
            if known and self.end(batch_id) is None:
                found.append(batch_id)
            elif known or key < oldest:  # whoever ended or removed it died before it could
                self.store.delete(key)
        return found

    def remove(self, batch_id: str) -> None:
        """Remove all that is kept of a batch, its record last."""
        record = self.record(batch_id)
        order = keys.matte_batch(batch_id, "order.json")
        for key in list(self.store.list_keys(keys.matte_batch(batch_id, ""))):
            if key != order:
                self.store.delete(key)
        self.store.delete(_active(record))
        self.store.delete(order)

    def sweep(self, now: datetime) -> None:
        """Remove what is older than KEPT."""
        for record in self.records():
            if record.created_at < now - KEPT:
                self.remove(record.id)

    def _read(self, batch_id: str, name: str, kind: type[Record]) -> Record | None:
        return read_record(self.store, keys.matte_batch(batch_id, name), kind)[0]

    def _write_once(self, batch_id: str, name: str, record: Frozen) -> bool:
        body = record.model_dump_json().encode()
        return put_once(self.store, keys.matte_batch(batch_id, name), body)


def _active(record: BatchRecord) -> str:
    return _active_key(record.created_at, record.id)


def _active_key(at: datetime, batch_id: str) -> str:
    return f"{keys.MATTE_BATCHES_ACTIVE}{round(at.timestamp() * 1000):015d}-{batch_id}"


def _part_name(part: int, counts: tuple[int, int]) -> str:
    return f"parts/{part:06d}-{counts[0]}-{counts[1]}.json"
