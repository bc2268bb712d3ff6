"""How far a command is that takes longer than two seconds: a bar with the time left, for people
alone."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

DELAY_S = 2.0
T = TypeVar("T")


class Steps:
    """A bar on stderr where that is a terminal, from the first step after two seconds on. A context
    manager.

    unit: what is counted, e.g. `files`; total: how many there are, or a function that is asked when
    the bar is first shown; None where nobody knows. quiet: show nothing at all.
    """

    def __init__(
        self,
        unit: str,
        total: int | Callable[[], int | None] | None = None,
        *,
        quiet: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unit, self._total, self._clock = unit, total, clock
        self._console = console or Console(stderr=True)
        self._silent = quiet or not self._console.is_terminal
        self._begun, self._done = clock(), 0
        self._bars: Progress | None = None
        self._bar = TaskID(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def step(self, *_: object) -> None:
        """One more; for callbacks, whatever they tell."""
        self.at(self._done + 1)

    def at(self, done: int) -> None:
        """So many by now."""
        self._done = done
        if self._silent or (self._bars is None and self._clock() - self._begun < DELAY_S):
            return
        if self._bars is None:
            self._show()
        if self._bars is not None:
            self._bars.update(self._bar, completed=done)

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """The items, each counted when it is done with; how many, where they can tell."""
        if self._total is None and isinstance(items, Sized):
            self._total = len(items)
        with self:
            for item in items:
                yield item
                self.step()

    def _show(self) -> None:
        total = self._total() if callable(self._total) else self._total
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        times = TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()
        self._bars = Progress(
            *columns, *times, console=self._console, redirect_stdout=sys.stdout.isatty()
        )
        self._bar = self._bars.add_task(self._unit, total=total)
        self._bars.start()


def working(what: str, *, quiet: bool = False) -> Progress:
    """A sign of life for one step of unknown length, with the time that it has taken; a context
    manager."""
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    shown = Progress(
        *columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty(),
        disable=quiet or not console.is_terminal,
    )  # fmt: skip
    shown.add_task(what, total=None)
    return shown
