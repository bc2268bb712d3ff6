"""Periodic training: which domain is trained again how often, and whether its turn has come.

schedules/DOMAIN.json   what was asked for and the run that it started last, moved by If-Match

The reconciler looks every half minute. A schedule lives in S3 like everything that must not be
lost; the run it starts has an id that follows from the run before, so that two who look at once
order one run.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from pydantic import Field

from core import keys
from core.conditional import change_record, read_record
from core.corpora import CorpusBook, CorpusManifest
from core.errors import InvalidSpec, NotFound
from core.ports import ObjectStore
from core.training.run import TrainingRecord, new_run_id
from core.training.runs import TrainingRuns, pin_run
from matteforge.schemas.base import Frozen
from matteforge.schemas.training import TrainingSpec

log = logging.getLogger(__name__)
SHORTEST_S, LONGEST_S = 60.0, 366 * 86400.0


class ScheduleSpec(Frozen):
    """What a user asks for."""

    every_s: float = Field(
        ge=SHORTEST_S, le=LONGEST_S, description="seconds from the start of a run to the next one's"
    )
    min_new_samples: int = Field(
        0,
        ge=0,
        description="a run waits until its labelled and unlabelled corpora hold so many that the "
        "last one lacked",
    )
    run: TrainingSpec


class Schedule(ScheduleSpec):
    """`schedules/DOMAIN.json`."""

    owner: str
    set_at: datetime
    last_run: str | None = Field(None, description="the run that it started last")

    @property
    def next_run(self) -> str:
        """Id of the run that follows the last one."""
        return new_run_id(
            self.owner,
            f"schedule {self.run.domain} after {self.last_run or self.set_at.isoformat()}",
        )


class Turn(Frozen):
    """What a schedule waits for."""

    due_at: datetime = Field(description="not before")
    new_samples: int = Field(description="that the last run had not seen")
    waits_for: str | None = Field(description="null when its turn has come")


class Schedules:
    """The schedules of one object store, at most one a domain."""

    def __init__(self, store: ObjectStore) -> None:
        self._store, self._runs, self._book = store, TrainingRuns(store), CorpusBook(store)

    def set(self, spec: ScheduleSpec, owner: str, now: datetime) -> Schedule:
        """Make or replace a domain's schedule; the run it started last still counts. InvalidSpec:
        it could never run.

        A new one's first turn is at once, if there are samples enough.
        """
        pin_run(self._store, spec.run, run_id="", owner=owner)

        def replaced(old: Schedule | None) -> Schedule:
            fields = {name: getattr(spec, name) for name in ScheduleSpec.model_fields}
            return Schedule(
                owner=owner, set_at=now, last_run=old.last_run if old else None, **fields
            )

        changed = self._change(spec.run.domain, replaced)
        assert changed is not None
        return changed

    def get(self, domain: str) -> Schedule:
        """NotFound when the domain has none."""
        found = self._read(domain)
        if found is None:
            raise NotFound(f"there is no schedule for {domain!r}")
        return found

    def all(self) -> Iterator[Schedule]:
        for key in self._store.list_keys(keys.SCHEDULES):
            if found := self._read(key.removeprefix(keys.SCHEDULES).removesuffix(".json")):
                yield found

    def delete(self, domain: str) -> None:
        """A run that it has started goes on. NotFound."""
        self.get(domain)
        self._store.delete(keys.schedule(domain))

    def turn(self, schedule: Schedule, now: datetime) -> Turn:
        """Whether the time has come, there are samples enough, and nobody trains the domain."""
        last = self._last(schedule)
        due_at = last.created_at + timedelta(seconds=schedule.every_s) if last else schedule.set_at
        try:
            found = sum(
                self._new_samples(name, last)
                for name in {*schedule.run.labelled, *schedule.run.unlabelled}
            )
        except NotFound as error:
            return Turn(due_at=due_at, new_samples=0, waits_for=error.detail)
        return Turn(
            due_at=due_at, new_samples=found, waits_for=self._obstacle(schedule, due_at, found, now)
        )

    def start(self, schedule: Schedule, now: datetime) -> str | None:
        """Order the run whose turn has come; returns its id, or None when it has not. Safe to run
        concurrently.

        InvalidSpec: its corpora can't serve any more.
        """
        if self.turn(schedule, now).waits_for:
            return None
        run_id = schedule.next_run
        self._runs.claim(pin_run(self._store, schedule.run, run_id=run_id, owner=schedule.owner))
        # Whoever dies before this line has claimed the id that the next look claims again, in vain.
        self._change(schedule.run.domain, lambda there: there and _noted(there, schedule, run_id))
        return run_id

    def start_due(self, now: datetime) -> list[str]:
        """Order every run whose turn has come; one schedule's failure does not keep the others
        waiting."""
        started = []
        for schedule in self.all():
            try:
                started.append(self.start(schedule, now))
            except InvalidSpec as error:
                log.warning(
                    "the schedule of %s can't start a run: %s", schedule.run.domain, error.detail
                )
        return [run_id for run_id in started if run_id]

    def _obstacle(
        self, schedule: Schedule, due_at: datetime, found: int, now: datetime
    ) -> str | None:
        if now < due_at:
            return f"{due_at:%Y-%m-%d %H:%M:%S} UTC"
        if found < schedule.min_new_samples:
            return f"{schedule.min_new_samples - found} more new samples"
        busy = next(
            (
                record.id
                for record in self._runs.active()
                if record.spec.domain == schedule.run.domain
            ),
            None,
        )
        return f"the end of {busy}" if busy and busy != schedule.next_run else None

    def _last(self, schedule: Schedule) -> TrainingRecord | None:
        try:
            return self._runs.request(schedule.last_run) if schedule.last_run else None
        except NotFound:
            return None

    def _new_samples(self, name: str, last: TrainingRecord | None) -> int:
        before: CorpusManifest | None = last.corpora.get(name) if last else None
        seen = {shard.sha256 for shard in before.shards} if before else set()
        return sum(
            shard.samples for shard in self._book.get(name).shards if shard.sha256 not in seen
        )

    def _read(self, domain: str) -> Schedule | None:
        return read_record(self._store, keys.schedule(domain), Schedule)[0]

    def _change(
        self, domain: str, change: Callable[[Schedule | None], Schedule | None]
    ) -> Schedule | None:
        key, what = keys.schedule(domain), f"the schedule of {domain}"
        return change_record(self._store, key, Schedule, change, what=what)


def _noted(there: Schedule, started: Schedule, run_id: str) -> Schedule:
    """The schedule with its new run, unless somebody noted it, or a later one, before."""
    return (
        there.model_copy(update={"last_run": run_id})
        if there.last_run == started.last_run
        else there
    )
