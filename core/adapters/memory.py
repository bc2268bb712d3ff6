"""The ports in memory, for tests: same contract suite as the real adapters, nothing outlives the
process."""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.adapters import live_view_rules as rules
from core.adapters.memory_doorbell import MemoryDoorbell
from core.adapters.memory_leases import MemoryLeaseBook
from core.adapters.memory_store import MemoryStore
from core.datasets.catalog import add_shard
from core.datasets.dataset import DatasetView
from core.datasets.manifest import ShardRecord
from core.ports import Event
from matteforge.schemas.datasets import Counts, DatasetState, ErrorInfo, InWork

__all__ = ["MemoryDoorbell", "MemoryLeaseBook", "MemoryLiveView", "MemoryStore"]


@dataclass(kw_only=True)
class _Dataset:
    view: DatasetView
    done: set[int]
    rings: dict[int, float] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    work: dict[int, tuple[float, InWork]] = field(default_factory=dict)

    def seen(self) -> DatasetView:
        """The view with what workers tell."""
        now_s = time.monotonic()
        works = (work for until_s, work in self.work.values() if until_s > now_s)
        return self.view.model_copy(update={"in_work": rules.add_work(works)})


class MemoryLiveView:
    """A live view in a dictionary."""

    def __init__(self) -> None:
        self._datasets: dict[str, _Dataset] = {}
        self._paces: dict[str, float] = {}
        self._initialised = False
        self._lock = threading.RLock()
        self._sequence = 0

    def ping(self) -> None:
        """Memory is always there."""

    def is_initialised(self) -> bool:
        return self._initialised

    def mark_initialised(self) -> None:
        self._initialised = True

    def flush(self) -> None:
        """Lose everything, as FLUSHALL does."""
        with self._lock:
            self._datasets.clear()
            self._initialised = False

    def put(self, view: DatasetView, *, done: Iterable[int] = ()) -> None:
        with self._lock:
            before = self._datasets.get(view.id)
            self._datasets[view.id] = _Dataset(
                view=view, done=set(done), events=before.events if before else []
            )

    def get(self, dataset_id: str) -> DatasetView | None:
        dataset = self._datasets.get(dataset_id)
        return dataset.seen() if dataset else None

    def remove(self, dataset_id: str) -> None:
        with self._lock:
            self._datasets.pop(dataset_id, None)

    def page(
        self, *, state: DatasetState | None, after: str | None, limit: int
    ) -> tuple[list[DatasetView], str | None]:
        with self._lock:
            views = [
                d.seen() for d in self._datasets.values() if state is None or d.view.state is state
            ]
        index = {rules.index_member(view.id, view.created_at): view for view in views}
        bound = rules.decode_cursor(after) if after is not None else None
        members = [
            member for member in sorted(index, reverse=True) if bound is None or member < bound
        ]
        shown = members[:limit]
        return [index[m] for m in shown], rules.encode_cursor(shown[-1]) if len(
            members
        ) > limit else None

    def active_ids(self) -> list[str]:
        with self._lock:
            views = [d.view for d in self._datasets.values() if not d.view.state.terminal]
        return [
            view.id
            for view in sorted(views, key=lambda view: rules.index_member(view.id, view.created_at))
        ]

    def set_state(
        self,
        dataset_id: str,
        state: DatasetState,
        at: datetime,
        *,
        error: ErrorInfo | None = None,
        counts: Counts | None = None,
    ) -> bool:
        with self._lock:
            dataset = self._datasets.get(dataset_id)
            if dataset is None or rules.state_rank(state) <= rules.state_rank(dataset.view.state):
                return False
            dataset.view = dataset.view.model_copy(
                update={
                    "state": state,
                    "timestamps": {**dataset.view.timestamps, state: at},
                    "error": error or dataset.view.error,
                    "counts": counts or dataset.view.counts,
                }
            )
            data: dict[str, Any] = {"state": state.value, "at": at.isoformat()}
            self._publish(dataset, "state", data | ({"error": error.model_dump()} if error else {}))
        return True

    def request_cancel(self, dataset_id: str) -> None:
        with self._lock:
            if dataset := self._datasets.get(dataset_id):
                dataset.view = dataset.view.model_copy(update={"cancel_requested": True})

    def add_shard(self, dataset_id: str, record: ShardRecord) -> bool:
        with self._lock:
            dataset = self._datasets.get(dataset_id)
            if dataset is None or record.shard in dataset.done or dataset.view.state.terminal:
                return False
            dataset.done.add(record.shard)
            dataset.work.pop(record.shard, None)
            counts = add_shard(dataset.view.counts, record)
            dataset.view = dataset.view.model_copy(update={"counts": counts})
            data = record.model_dump(mode="json")
            self._publish(
                dataset,
                "shard",
                {**data, "accepted": counts.accepted, "shards_done": counts.shards_done},
            )
        return True

    def report_work(self, dataset_id: str, shard: int, work: InWork, ttl_s: float) -> None:
        if dataset := self._datasets.get(dataset_id):
            dataset.work[shard] = time.monotonic() + ttl_s, work

    def withdraw_work(self, dataset_id: str, shard: int) -> None:
        if dataset := self._datasets.get(dataset_id):
            dataset.work.pop(shard, None)

    def note_pace(self, kind: str, seconds_a_sample: float) -> None:
        self._paces[kind] = rules.blended(self._paces.get(kind), seconds_a_sample)

    def pace(self, kind: str) -> float | None:
        return self._paces.get(kind)

    def forget_shard(self, dataset_id: str, shard: int) -> None:
        with self._lock:
            if dataset := self._datasets.get(dataset_id):
                dataset.done.discard(shard)

    def undone(self, dataset_id: str, *, start: int, limit: int) -> list[int]:
        dataset = self._datasets.get(dataset_id)
        if dataset is None:
            return []
        return [s for s in range(start, dataset.view.counts.shards_total) if s not in dataset.done][
            :limit
        ]

    def ring_mark(self, dataset_id: str, shard: int, at_s: float) -> bool:
        with self._lock:
            dataset = self._datasets.get(dataset_id)
            if dataset is None or shard in dataset.rings:
                return False
            dataset.rings[shard] = at_s
        return True

    def ring_marks(self, dataset_id: str) -> dict[int, float]:
        dataset = self._datasets.get(dataset_id)
        return dict(dataset.rings) if dataset else {}

    def clear_ring_mark(self, dataset_id: str, shard: int) -> None:
        with self._lock:
            if dataset := self._datasets.get(dataset_id):
                dataset.rings.pop(shard, None)

    def events(self, dataset_id: str, *, after: str | None, limit: int = 100) -> list[Event] | None:
        with self._lock:
            dataset = self._datasets.get(dataset_id)
            events = list(dataset.events) if dataset else []
        if after is None:
            return events[:limit]
        if after == rules.NO_EVENT:
            return events[:limit] if len(events) < rules.EVENTS_KEPT else None
        known = [event.id for event in events]
        if rules.parse_event_id(after) is None or after not in known:
            return None
        return events[known.index(after) + 1 :][:limit]

    def last_event_id(self, dataset_id: str) -> str:
        dataset = self._datasets.get(dataset_id)
        return dataset.events[-1].id if dataset and dataset.events else rules.NO_EVENT

    def _publish(self, dataset: _Dataset, kind: str, data: Mapping[str, Any]) -> None:
        self._sequence += 1
        dataset.events.append(Event(id=f"{self._sequence}-0", kind=kind, data=data))
        del dataset.events[: -rules.EVENTS_KEPT]
