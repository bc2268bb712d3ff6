"""Steps of a client that waits until something has ended."""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from matteforge.calls import Call
from matteforge.methods import Steps, ask


class Deadline:
    """A time after which nobody waits any more; None: never."""

    def __init__(self, timeout_s: float | None) -> None:
        self._timeout_s = timeout_s
        self._began_s = time.monotonic()

    def check(self, what: str) -> None:
        """Raises TimeoutError, `what` and for how long, when the time has passed."""
        if self._timeout_s is not None and time.monotonic() > self._began_s + self._timeout_s:
            raise TimeoutError(f"{what} after {self._timeout_s} s")


class State(Protocol):
    """A state that something may end in."""

    @property
    def terminal(self) -> bool: ...


class Ending(Protocol):
    """What ends some time."""

    @property
    def id(self) -> str: ...

    @property
    def state(self) -> State: ...


Watched = TypeVar("Watched", bound=Ending)


def until_ended(
    look: Call[Watched],
    on_progress: Callable[[Watched], None] | None,
    poll_s: float,
    timeout_s: float | None = None,
) -> Steps[Watched]:
    """Look every `poll_s` seconds until it has ended. Raises TimeoutError after `timeout_s`."""
    deadline = Deadline(timeout_s)
    while True:
        seen = yield from ask(look)
        if on_progress:
            on_progress(seen)
        if seen.state.terminal:
            return seen
        deadline.check(f"{seen.id} is still {seen.state}")
        yield poll_s
