"""A circuit breaker around a port: what did not answer a moment ago is not asked again at once.

Without it every request would wait for its own timeout, and so hold a thread of the API for seconds
while a store hangs.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from core.errors import TransientError

REST_S = 1.0

Port = TypeVar("Port")


class Breaker:
    """Open after a failure, for `rest_s`; then one call tries, while the others still fail at once.

    Ports that lie behind one server share a breaker. Thread-safe.
    """

    def __init__(self, rest_s: float = REST_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._rest_s = rest_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failure: TransientError | None = None
        self._until_s = 0.0

    def check(self) -> None:
        """Raises the last failure again while the breaker is open."""
        with self._lock:
            if self._failure is None:
                return
            now_s = self._clock()
            if now_s < self._until_s:
                raise type(self._failure)(self._failure.detail)
            self._until_s = now_s + self._rest_s  # this call tries; its failure rests anew

    def failed(self, error: TransientError) -> None:
        if error.answered:  # nobody waits in vain
            self.answered()
            return
        with self._lock:
            self._failure, self._until_s = error, self._clock() + self._rest_s

    def answered(self) -> None:
        with self._lock:
            self._failure = None


def guarded(port: Port, breaker: Breaker) -> Port:
    """`port` with `breaker` before each of its methods; iterators that it returns count as well."""
    return cast(Port, _Guarded(port, breaker))


class _Guarded:
    def __init__(self, port: object, breaker: Breaker) -> None:
        self._port = port
        self._breaker = breaker

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not callable(attribute) or name == "presign_get":  # which asks nobody
            return attribute

        def call(*arguments: Any, **options: Any) -> Any:
            self._breaker.check()
            try:
                result = attribute(*arguments, **options)
            except TransientError as error:
                self._breaker.failed(error)
                raise
            if isinstance(result, Iterator):
                return self._watched(result)
            self._breaker.answered()
            return result

        return call

    def _watched(self, items: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from items
        except TransientError as error:
            self._breaker.failed(error)
            raise
        self._breaker.answered()
