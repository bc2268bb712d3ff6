"""Token buckets in memory: for tests, and for an API whose Redis does not answer."""

import threading
import time
from collections.abc import Callable

from core.limits import Bucket, Taken, taken

MOST = 10_000  # buckets kept; beyond them all begin anew


class MemoryBucketBook:
    """Buckets in a dictionary. `clock` returns seconds and may be replaced in tests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}  # name -> (left, at)
        self._clock = clock
        self._lock = threading.Lock()

    def take(self, bucket: Bucket, amount: float) -> Taken:
        now_s = self._clock()
        with self._lock:
            left, at_s = self._buckets.get(bucket.name, (bucket.size, now_s))
            gained = max(now_s - at_s, 0.0) * bucket.size / bucket.window_s
            left = min(bucket.size, left + gained)
            granted = amount <= left
            if granted:
                left = min(bucket.size, left - amount)
            if len(self._buckets) >= MOST:
                self._buckets.clear()
            self._buckets[bucket.name] = left, now_s
        return taken(bucket, amount, granted=granted, left=left)
