"""A training run in the hands of a trainer: its folder, its progress, and what it takes to go on
elsewhere.

What a stage writes into its folder is pushed to S3 now and then, and pulled when the stage starts
again, on this machine or another one: S3 is the truth. A stage that is done has a record with the
SHA-256 of its files.
"""

import logging
import time
from collections.abc import Mapping
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from core import keys
from core.datasets.dataset import utcnow
from core.errors import Cancelled, CheckpointRejected, NotFound, PermanentError
from core.leases import HeldLease
from core.training.run import RunProgress, StageRecord, TrainingRecord
from core.training.runs import TrainingRuns
from matteforge.schemas.names import plain_path
from matteforge.schemas.training import Stage
from models.networks.checkpoints.checkpoint import digest

log = logging.getLogger(__name__)
TELL_S = 2.0  # between two writes of the progress, and two looks for a cancellation
PUSH_S = 60.0  # between two pushes of files
LOG_LINES = 40
BYTES = "application/octet-stream"
MAX_STARTS = 10  # of a stage that saves nothing in between, before the run fails
LOCAL_ONLY = (".npy", ".partial", "corpora")  # what can be made or fetched again


class Job:
    """One stage at a time: `begin`, then the stage's own code, which calls `tick`, then
    `finish`."""

    def __init__(
        self, runs: TrainingRuns, record: TrainingRecord, lease: HeldLease, root: Path
    ) -> None:
        self.runs, self.record, self.spec = runs, record, record.spec
        self.root = root / record.id
        self._lease = lease
        self._pushed: dict[str, str] = {}
        self._progress = runs.progress(record.id)
        self._told_s = self._pushed_s = self._began_s = 0.0
        self._before_s = 0.0  # seconds of earlier starts of the stage
        self._first = 0.0  # fraction at this start

    def folder(self, stage: Stage) -> Path:
        path = self.root / stage
        path.mkdir(parents=True, exist_ok=True)
        return path

    def done(self, stage: Stage) -> StageRecord | None:
        return self.runs.stage(self.record.id, stage)

    def figures(self, stage: Stage) -> dict[str, Any]:
        """What a finished stage found."""
        record = self.done(stage)
        if record is None:
            raise PermanentError(f"the stage {stage} is not done")
        return record.figures

    def output(self, stage: Stage, name: str) -> Path:
        """A file of a finished stage, fetched if need be. CheckpointRejected: it has other bytes
        than recorded."""
        record = self.done(stage)
        if record is None or name not in record.files:
            raise PermanentError(f"the stage {stage} left no {name}")
        path = self.folder(stage) / name
        if not path.is_file() or digest(path) != record.files[name]:
            self._fetch(stage, name)
        if digest(path) != record.files[name]:
            raise CheckpointRejected(
                f"{stage}/{name} of {self.record.id} is not what its stage left"
            )
        return path

    # The life of a stage

    def begin(self, stage: Stage) -> Path:
        """Take up a stage where it was left; returns its folder. PermanentError when it was begun
        in vain too often."""
        self._pushed.clear()
        self._pull(stage)
        old = self._progress if self._progress and self._progress.stage is stage else None
        starts = old.starts + 1 if old else 1
        if starts > MAX_STARTS:
            raise PermanentError(
                f"the stage {stage} was begun {MAX_STARTS} times and saved nothing"
            )
        self._before_s = old.seconds if old else 0.0
        self._first = old.fraction if old else 0.0
        self._began_s = self._pushed_s = time.monotonic()
        earlier = self._progress.log if self._progress else []
        self._progress = RunProgress(
            sequence=(self._progress.sequence if self._progress else 0) + 1,
            at=utcnow(),
            stage=stage,
            fraction=self._first,
            eta_s=None,
            seconds=self._before_s,
            log=earlier,
            starts=starts,
        )
        self.log(f"{stage}: {'goes on' if old else 'begins'}")
        return self.folder(stage)

    @property
    def seconds(self) -> float:
        """Time spent on this stage, over all its starts."""
        return self._before_s + time.monotonic() - self._began_s

    def spent(self) -> bool:
        """True once the stage's time is over; it ends with what it has."""
        budget_s = self.spec.stage_budget_s
        return budget_s is not None and self.seconds > budget_s

    def tick(self, fraction: float) -> None:
        """To be called once a step. Raises LeaseLost, or Cancelled when the run is not wanted any
        more."""
        self._lease.check()
        now_s = time.monotonic()
        if now_s - self._told_s < TELL_S:
            return
        if self.runs.is_cancelled(self.record.id):
            raise Cancelled(f"{self.record.id} was cancelled")
        pushing = now_s - self._pushed_s > PUSH_S
        if pushing:
            self.push()
        told = self._tell(fraction=min(max(fraction, 0.0), 1.0))
        if pushing and told.eta_s is not None:
            left = f"{told.fraction:.0%}, about {told.eta_s / 60:.0f} min left"
            log.info("%s %s: %s", self.record.id, told.stage, left)

    def log(self, line: str) -> None:
        """A line for people, at once visible."""
        log.info("%s %s", self.record.id, line)
        assert self._progress is not None
        lines = [*self._progress.log, f"{utcnow():%H:%M:%S} {line}"][-LOG_LINES:]
        self._tell(log=lines)

    def push(self) -> None:
        """Bring the stage's files to S3, those that changed."""
        assert self._progress is not None
        stage = self._progress.stage
        for path in self._files(stage):
            name = path.relative_to(self.folder(stage)).as_posix()
            sha256 = digest(path)
            if self._pushed.get(name) != sha256:
                self._lease.check()
                key = keys.training_run(self.record.id, f"files/{stage}/{name}")
                mime = guess_type(path)[0] or BYTES
                self.runs.store.upload(key, path, content_type=mime, metadata={"sha256": sha256})
                self._pushed[name] = sha256
                if self._progress.starts:
                    self._progress = self._progress.model_copy(update={"starts": 0})
        self._pushed_s = time.monotonic()

    def finish(self, figures: Mapping[str, Any]) -> StageRecord:
        """Push everything, then write the stage's record: the stage is done."""
        assert self._progress is not None
        stage = self._progress.stage
        self.push()
        self._lease.check()
        record = StageRecord(
            stage=stage,
            at=utcnow(),
            seconds=self.seconds,
            figures=dict(figures),
            files=dict(self._pushed),
            grids=self._grids(stage),
        )
        done = self.runs.put_stage(self.record.id, record)
        self.log(f"{stage}: done after {self.seconds:.0f} s")
        self._tell(fraction=1.0)
        return done

    def _tell(self, **changes: Any) -> RunProgress:
        assert self._progress is not None
        progress = self._progress.model_copy(update=changes)
        self._progress = progress.model_copy(
            update={
                "sequence": progress.sequence + 1,
                "at": utcnow(),
                "seconds": self.seconds,
                "eta_s": self._eta_s(progress.fraction),
                "grids": self._grids(progress.stage),
            }
        )
        self.runs.put_progress(self.record.id, self._progress)
        self._told_s = time.monotonic()
        return self._progress

    def _eta_s(self, fraction: float) -> float | None:
        gained = fraction - self._first
        if gained <= 0:
            return None
        return (time.monotonic() - self._began_s) / gained * (1 - fraction)

    def _grids(self, stage: Stage) -> list[str]:
        return sorted(name for name in self._pushed if name.endswith(".png"))

    def _files(self, stage: Stage) -> list[Path]:
        folder = self.folder(stage)
        return sorted(
            path
            for path in folder.rglob("*")
            if path.is_file()
            and not any(mark in path.relative_to(folder).as_posix() for mark in LOCAL_ONLY)
        )

    def _pull(self, stage: Stage) -> None:
        """Make the folder what S3 says; what S3 does not know is removed, unless it is of
        LOCAL_ONLY."""
        prefix = keys.training_run(self.record.id, f"files/{stage}/")
        stored = [key.removeprefix(prefix) for key in self.runs.store.list_keys(prefix)]
        for path in self._files(stage):
            if path.relative_to(self.folder(stage)).as_posix() not in stored:
                path.unlink()
        for name in stored:
            info = self.runs.store.head(prefix + name)
            path = self._path(stage, name)
            if info and not (path.is_file() and digest(path) == info.metadata.get("sha256")):
                self._fetch(stage, name)
            self._pushed[name] = digest(path)

    def _path(self, stage: Stage, name: str) -> Path:
        """Where a file of a stage belongs; its name comes from the store. Raises PermanentError."""
        try:
            return self.folder(stage) / plain_path(name)
        except ValueError as error:
            raise PermanentError(f"the stage {stage} of {self.record.id}: {error}") from error

    def _fetch(self, stage: Stage, name: str) -> None:
        path = self._path(stage, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        key = keys.training_run(self.record.id, f"files/{stage}/{name}")
        try:
            with partial.open("wb") as file:
                file.writelines(self.runs.store.stream(key))
        except NotFound as error:
            raise CheckpointRejected(
                f"{stage}/{name} of {self.record.id} is gone from the store"
            ) from error
        partial.replace(path)
