"""How far a command is that takes longer than two seconds: a bar with the time left, for people
alone."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import suppress
from datetime import timedelta
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

DELAY_S = 2.0
MEGABYTE = 1_000_000
T = TypeVar("T")


class _TimeLeft(ProgressColumn):
    """Seconds left at the pace so far: rich's own column knows none where steps take long."""

    def __init__(self, left_s: Callable[[], float | None]) -> None:
        super().__init__()
        self._left_s = left_s

    def render(self, task: Task) -> Text:
        left_s = self._left_s()
        return Text("-:--:--" if left_s is None else str(timedelta(seconds=int(left_s))))


class Steps:
    """A bar on stderr where that is a terminal, from two seconds on, whether or not a step is done
    by then. A context manager.

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
        self._done, self._part = 0, ""
        self._begun = self._told_s = clock()
        self._bars: Progress | None = None
        self._bar = TaskID(0)
        self._showing = threading.Lock()
        self._waiting: threading.Timer | None = None  # for a first step that takes long

    def __enter__(self) -> Self:
        if not self._silent:
            self._waiting = threading.Timer(DELAY_S, self._show)
            self._waiting.daemon = True
            self._waiting.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        with self._showing:
            self._silent = True
            if self._bars is not None:
                self._bars.stop()
                self._bars = None

    def step(self, *_: object) -> None:
        """One more; for callbacks, whatever they tell."""
        self.at(self._done + 1)

    def at(self, done: int, total: int | None = None) -> None:
        """So many by now, and in all if that is given."""
        self._done, self._total = done, self._total if total is None else total
        self._told_s = self._clock()
        if self._silent or (self._bars is None and self._clock() - self._begun < DELAY_S):
            return
        self._show()
        if self._bars is not None:
            self._bars.update(self._bar, completed=done, total=total, description=self._unit)

    def megabytes(self, done_bytes: int, all_bytes: int) -> None:
        """So many bytes by now, and in all, where the unit is MB."""
        self.at(done_bytes // MEGABYTE, all_bytes // MEGABYTE)

    def part(self, name: str) -> None:
        """The part that begins now, by its name; the one before it is done."""
        done = self._done + bool(self._part)
        self._part = self._unit = name
        self.at(done)

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """The items, each counted when it is done with; how many, where they can tell."""
        if self._total is None and isinstance(items, Sized):
            self._total = len(items)
        with self:
            for item in items:
                yield item
                self.step()

    def _show(self) -> None:
        """Once, from whichever thread comes first."""
        with self._showing:
            if self._bars is None and not self._silent:
                self._start()

    def _counted(self) -> int | None:
        """What cannot be counted has a bar without an end; the work itself tells what is wrong."""
        with suppress(Exception):
            return self._total() if callable(self._total) else self._total
        return None

    def _left_s(self) -> float | None:
        if not self._done or not isinstance(self._total, int):
            return None
        whole_s = (self._told_s - self._begun) * self._total / self._done
        return max(0.0, whole_s - (self._clock() - self._begun))

    def _start(self) -> None:
        self._total = total = self._counted()
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        times = TimeElapsedColumn(), TextColumn("left"), _TimeLeft(self._left_s)
        self._bars = Progress(
            *columns, *times, console=self._console, redirect_stdout=sys.stdout.isatty()
        )
        self._bar = self._bars.add_task(self._unit, total=total, completed=self._done)
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
