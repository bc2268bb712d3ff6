"""What tenants have stored: bytes of every dataset, those to come included."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from core.datasets.dataset import DatasetView
from core.errors import TransientError
from core.ports import LiveView

FRESH_S = 60.0  # what other processes of the API take in or delete counts so late
PAGE = 500


class Usage:
    """A tally by dataset, counted anew every FRESH_S. Thread-safe."""

    def __init__(self, live: LiveView, clock: Callable[[], float] = time.monotonic) -> None:
        self._live = live
        self._clock = clock
        self._lock = threading.Lock()
        self._tally: dict[str, tuple[str, int]] = {}  # dataset -> (tenant, bytes)
        self._counted_s: float | None = None

    def bytes_of(self, tenant: str) -> int:
        """Bytes of the tenant's shards. While Redis is away the last count holds, or none."""
        with self._lock:
            now_s = self._clock()
            if self._counted_s is None or now_s - self._counted_s > FRESH_S:
                with suppress(TransientError):
                    self._tally, self._counted_s = self._counted(), now_s
            return sum(size for owner, size in self._tally.values() if owner == tenant)

    def add(self, dataset_id: str, tenant: str, size_bytes: int) -> None:
        """A dataset that was just ordered, and is to become so large."""
        with self._lock:
            self._tally[dataset_id] = tenant, size_bytes

    def remove(self, dataset_id: str) -> None:
        with self._lock:
            self._tally.pop(dataset_id, None)

    def _counted(self) -> dict[str, tuple[str, int]]:
        found: dict[str, tuple[str, int]] = {}
        after: str | None = None
        while True:
            views, after = self._live.page(state=None, after=after, limit=PAGE)
            for view in views:
                known = self._tally.get(view.id, ("", 0))[1]
                found[view.id] = view.owner, _size(view, known)
            if after is None:
                return found


def _size(view: DatasetView, ordered: int) -> int:
    """Bytes of an ended dataset; of one under way what it will hold, by the pace of what is there,
    else as it was reckoned when it was ordered."""
    counts = view.counts
    if view.state.terminal:
        return counts.size_bytes
    if counts.accepted:
        return round(counts.size_bytes * counts.requested / counts.accepted)
    return ordered
