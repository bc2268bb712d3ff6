"""All that is true of training runs, read from and written to S3.

training-runs/ID/request.json        the claim, conditional, once
training-runs/ID/stages/STAGE.json   a stage that is done, conditional, once
training-runs/ID/files/STAGE/NAME    its outputs; while it runs: what it takes to go on
training-runs/ID/progress.json       where it is, overwritten
training-runs/ID/cancel.json         tombstone
training-runs/ID/end.json            the end, conditional, decides every race
training-active/TIME-ID              runs that have not ended: nobody has to look at all of them
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

from core import keys
from core.conditional import JSON, Record, put_once, read_record
from core.corpora import CorpusBook
from core.datasets.dataset import utcnow
from core.errors import InvalidSpec, NotFound
from core.ports import ObjectStore
from core.registry import CHAMPION, Registry
from core.tenants import MayRead, may_read, tenant_of
from core.training.run import (
    RunEnd,
    RunProgress,
    StageRecord,
    TrainingRecord,
    TrainingView,
    check_corpora,
)
from matteforge.schemas.base import Frozen
from matteforge.schemas.training import STAGES, RunState, Stage, TrainingSpec

READERS = 8


class TrainingRuns:
    """The training runs of one object store."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def claim(self, record: TrainingRecord) -> bool:
        """False when the id is taken: read it and compare."""
        self.store.put(_active(record), record.id.encode())
        if self._write_once(record.id, "request.json", record):
            return True
        self.store.delete(_active(record))  # another time, another key than the winner's
        return False

    def request(self, run_id: str) -> TrainingRecord:
        """NotFound when there is no such run."""
        record = self._read(run_id, "request.json", TrainingRecord)
        if record is None:
            raise NotFound(f"there is no training run {run_id!r}")
        return record

    def ids(self) -> Iterator[str]:
        return self.store.list_folders(keys.TRAINING_RUNS)

    def cancel(self, run_id: str, at: datetime) -> None:
        """Ask for the end of a run; asking again changes nothing."""
        self._write_once(run_id, "cancel.json", RunEnd(state=RunState.CANCELLED, at=at))

    def is_cancelled(self, run_id: str) -> bool:
        return self.store.head(keys.training_run(run_id, "cancel.json")) is not None

    def put_stage(self, run_id: str, record: StageRecord) -> StageRecord:
        """The record that counts: this one, or that of an earlier winner."""
        if self._write_once(run_id, f"stages/{record.stage}.json", record):
            return record
        return self.stage(run_id, record.stage) or record

    def stage(self, run_id: str, stage: Stage) -> StageRecord | None:
        return self._read(run_id, f"stages/{stage}.json", StageRecord)

    def put_progress(self, run_id: str, progress: RunProgress) -> None:
        body = progress.model_dump_json().encode()
        self.store.put(keys.training_run(run_id, "progress.json"), body, content_type=JSON)

    def progress(self, run_id: str) -> RunProgress | None:
        return self._read(run_id, "progress.json", RunProgress)

    def finish(self, run_id: str, end: RunEnd) -> RunEnd:
        """End a run; the true end is returned: this one or an earlier winner's."""
        won = self._write_once(run_id, "end.json", end)
        self.store.delete(_active(self.request(run_id)))
        return end if won else self.end(run_id) or end

    def end(self, run_id: str) -> RunEnd | None:
        return self._read(run_id, "end.json", RunEnd)

    def view(self, run_id: str) -> TrainingView:
        """NotFound when there is no such run."""
        record = self.request(run_id)
        with ThreadPoolExecutor(READERS) as pool:
            found = pool.map(lambda stage: self.stage(run_id, stage), STAGES)
            end, progress = self.end(run_id), self.progress(run_id)
            stages = [done for done in found if done]
        started = RunState.RUNNING if progress or stages else RunState.QUEUED
        return TrainingView(
            record=record,
            state=end.state if end else started,
            stages=stages,
            progress=progress,
            cancel_requested=self.is_cancelled(run_id),
            end=end,
        )

    def requests(self) -> list[TrainingRecord]:
        """Every run, newest first."""
        with ThreadPoolExecutor(READERS) as pool:
            records = list(pool.map(self.request, self.ids()))
        return sorted(records, key=lambda record: (record.created_at, record.id), reverse=True)

    def active(self) -> list[TrainingRecord]:
        """Runs that have not ended, oldest first."""
        found = []
        for key in self.store.list_keys(keys.TRAINING_ACTIVE):
            try:
                record = self.request(key.rpartition("-")[2])
            except NotFound:
                continue  # about to be claimed
            if self.end(record.id) is None:
                found.append(record)
            else:
                self.store.delete(key)  # whoever ended it died before it could
        return sorted(found, key=lambda record: (record.created_at, record.id))

    def _read(self, run_id: str, name: str, kind: type[Record]) -> Record | None:
        return read_record(self.store, keys.training_run(run_id, name), kind)[0]

    def _write_once(self, run_id: str, name: str, record: Frozen) -> bool:
        key = keys.training_run(run_id, name)
        return put_once(self.store, key, record.model_dump_json().encode())


def pin_run(
    store: ObjectStore, spec: TrainingSpec, *, run_id: str, owner: str, body_sha256: str = ""
) -> TrainingRecord:
    """A run on the corpora and the models that there are now. InvalidSpec: one is missing or can't
    serve, or the domain's model is not the owner's to train.
    """
    book, registry = CorpusBook(store), Registry(store)
    model, reads = registry.find(spec.domain), partial(may_read, reader=tenant_of(owner))
    if model is not None and model.tenant != tenant_of(owner):
        raise InvalidSpec(
            f"domain: the model {spec.domain} is another tenant's, and trained by its keys alone; "
            "train one under a name of your own"
        )
    try:
        corpora = {
            name: book.get(name, reads)
            for name in sorted({*spec.labelled, *spec.unlabelled, *spec.backgrounds})
        }
    except NotFound as error:
        raise InvalidSpec(error.detail) from error
    check_corpora(spec, corpora)
    champion = model.current(CHAMPION) if model else None
    start = None if champion or not spec.start_from else _resolved(registry, spec.start_from, reads)
    return TrainingRecord(
        id=run_id, owner=owner, spec=spec, corpora=corpora, champion=champion, start=start,
        created_at=utcnow(), body_sha256=body_sha256,
    )  # fmt: skip


def _resolved(registry: Registry, model: str, reads: MayRead) -> str:
    try:
        return registry.resolve(model, reads)
    except NotFound as error:
        raise InvalidSpec(f"start_from: {error.detail}") from error


def _active(record: TrainingRecord) -> str:
    return f"{keys.TRAINING_ACTIVE}{round(record.created_at.timestamp() * 1000):015d}-{record.id}"
