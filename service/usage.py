"""What tenants have stored: bytes of every dataset, those to come included."""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from core.datasets.dataset import DatasetView
from core.errors import MatteForgeError, TransientError
from core.limits import OrderNote, expected_bytes_of
from core.ports import LiveView

FRESH_S = 60.0  # what other processes of the API take in or delete counts so late
PAGE = 500


class Usage:
    """A tally by dataset, counted anew every FRESH_S. Thread-safe."""

    def __init__(
        self,
        live: LiveView,
        resolution_of: Callable[[str], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """resolution_of: pixels a side of what the bundle with this digest makes."""
        self._live = live
        self._resolution_of = resolution_of
        self._clock = clock
        self._lock = threading.Lock()
        self._tally: dict[str, tuple[str, int]] = {}  # dataset -> (tenant, bytes)
        self._counted_s: float | None = None

    def bytes_of(
        self, tenant: str, *, placing: Iterable[OrderNote] = (), recent: Iterable[OrderNote] = ()
    ) -> int:
        """Bytes of the tenant's shards, and of orders that are being placed. While Redis is away
        the last count holds, or none. `recent`: what others may have taken in since then."""
        self._count_anew_if_old()
        sizes = {one.dataset_id: one.size_bytes for one in placing}
        with suppress(TransientError):
            self._add_recent(tenant, [one for one in recent if one.dataset_id not in sizes])
        with self._lock:
            tally = {name: size for name, (owner, size) in self._tally.items() if owner == tenant}
        return sum((sizes | tally).values())

    def _count_anew_if_old(self) -> None:
        with self._lock:
            now_s = self._clock()
            if self._counted_s is None or now_s - self._counted_s > FRESH_S:
                with suppress(TransientError):
                    self._tally, self._counted_s = self._counted(), now_s

    def _add_recent(self, tenant: str, recent: Iterable[OrderNote]) -> None:
        """What is not in the tally, unless it was deleted since."""
        for one in recent:
            if one.dataset_id not in self._tally and (view := self._live.get(one.dataset_id)):
                self.add(one.dataset_id, tenant, self._size(view))

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
                found[view.id] = view.owner, self._size(view)
            if after is None:
                return found

    def _size(self, view: DatasetView) -> int:
        """Bytes of an ended dataset; of one under way what it will hold, by the pace of what is
        there, else about as much as its samples take."""
        counts = view.counts
        if view.state.terminal:
            return counts.size_bytes
        if counts.accepted:
            return round(counts.size_bytes * counts.requested / counts.accepted)
        try:
            return expected_bytes_of(view, self._resolution_of(view.bundle))
        except MatteForgeError:  # its bundle can't be read: it will fail
            return 0
