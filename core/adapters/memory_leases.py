"""Leases, timers and counters of tries in memory, for tests."""

import math
import threading
import time
from collections.abc import Callable, Iterable


class MemoryLeaseBook:
    """Leases in a dictionary. `clock` returns seconds and may be replaced in tests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._held: dict[str, tuple[str, float]] = {}
        self._timers: dict[str, float] = {}
        self._tries: dict[str, tuple[int, float]] = {}
        self._clock = clock
        self._lock = threading.Lock()

    def acquire(self, name: str, token: str, ttl_s: float) -> bool:
        with self._lock:
            holder, until_s = self._held.get(name, (token, 0.0))
            if holder != token and until_s > self._clock():
                return False
            self._held[name] = token, self._clock() + ttl_s
        return True

    def renew(self, name: str, token: str, ttl_s: float) -> bool:
        return self.acquire(name, token, ttl_s)

    def release(self, name: str, token: str) -> None:
        with self._lock:
            if self._held.get(name, ("", 0.0))[0] == token:
                del self._held[name]

    def held(self, names: Iterable[str]) -> set[str]:
        now_s = self._clock()
        return {name for name in names if self._held.get(name, ("", 0.0))[1] > now_s}

    def once_every(self, name: str, period_s: float) -> bool:
        with self._lock:
            if self._timers.get(name, -math.inf) > self._clock():
                return False
            self._timers[name] = self._clock() + period_s
        return True

    def begin_try(self, name: str, window_s: float) -> int:
        with self._lock:
            number, until_s = self._tries.get(name, (0, -math.inf))
            if until_s <= self._clock():
                number, until_s = 0, self._clock() + window_s
            self._tries[name] = number + 1, until_s
            return number + 1

    def end_try(self, name: str) -> None:
        with self._lock:
            number, until_s = self._tries.get(name, (0, -math.inf))
            self._tries[name] = max(number - 1, 0), until_s
