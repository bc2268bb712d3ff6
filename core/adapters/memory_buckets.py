"""Token buckets in memory: for tests, and for an API whose Redis does not answer."""

import threading
import time
from collections.abc import Callable

from core.limits import PLACING_S, RECENT_S, Bucket, OrderNote, Taken, taken

MOST = 10_000  # buckets kept; beyond them all begin anew


class MemoryBucketBook:
    """Buckets in a dictionary. `clock` returns seconds and may be replaced in tests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}  # name -> (spent, at)
        self._notes: list[tuple[str, OrderNote, float]] = []  # (tenant, note, at)
        self._placing: set[str] = set()  # tokens
        self._clock = clock
        self._lock = threading.Lock()

    def take(self, bucket: Bucket, amount: float) -> Taken:
        now_s = self._clock()
        with self._lock:
            spent, at_s = self._buckets.get(bucket.name, (0.0, now_s))
            returned = max(now_s - at_s, 0.0) * bucket.size / bucket.window_s
            spent = min(bucket.size, max(0.0, spent - returned))
            granted = spent + amount <= bucket.size
            if granted:
                spent = max(0.0, spent + amount)
            if len(self._buckets) >= MOST:
                self._buckets.clear()
            self._buckets[bucket.name] = spent, now_s
        return taken(bucket, amount, granted=granted, left=bucket.size - spent)

    def begin_order(self, tenant: str, note: OrderNote) -> tuple[list[OrderNote], list[OrderNote]]:
        now_s = self._clock()
        with self._lock:
            self._notes = [one for one in self._notes if now_s - one[2] < RECENT_S]
            ours = [(one, at_s) for owner, one, at_s in self._notes if owner == tenant]
            placing = [
                one for one, at_s in ours if one.token in self._placing and now_s - at_s < PLACING_S
            ]
            self._notes.append((tenant, note, now_s))
            self._placing.add(note.token)
        return placing, [one for one, _ in ours]

    def end_order(self, tenant: str, note: OrderNote, *, placed: bool) -> None:
        with self._lock:
            self._placing.discard(note.token)
            if not placed:
                self._notes = [one for one in self._notes if one[1] != note]
