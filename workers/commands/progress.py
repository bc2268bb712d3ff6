"""Signs of life of a command: how much is done, how fast, and how long it will still take."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import click

SECONDS_BETWEEN_SIGNS = 5.0
T = TypeVar("T")


class Signs:
    """Tells on stderr, every five seconds at most, how far a command is.

    unit: what is counted, e.g. `files`; total: how many there will be, asked for at the first sign
    alone; None where nobody knows.
    """

    def __init__(
        self,
        unit: str,
        total: Callable[[], int | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unit, self._total, self._clock = unit, total, clock
        self._begun = self._last = clock()
        self._known: int | None = None
        self._count, self._asked = 0, False

    def step(self, *_: object) -> None:
        """One more is begun."""
        now, done = self._clock(), self._count
        self._count += 1
        if done == 0 or now - self._last < SECONDS_BETWEEN_SIGNS:
            return
        if not self._asked:
            self._known, self._asked = self._total(), True
        self._last = now
        rate = done / max(now - self._begun, 1e-9)
        click.echo(f"{done} {self._unit}, {rate:.1f} a second{self._left(done, rate)}", err=True)

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """The items, each counted as it is given out."""
        for item in items:
            self.step()
            yield item

    def _left(self, done: int, rate: float) -> str:
        if self._known is None or self._known <= done:
            return ""
        return f", {duration((self._known - done) / rate)} left of {self._known}"


def duration(seconds: float) -> str:
    """About how long: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
