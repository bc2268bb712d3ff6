"""Says once that numba compiles, which takes minutes where nothing is cached yet and would else
look dead."""

import logging
from functools import cache
from typing import Any

from numba.core import event

MESSAGE = "compiling for this machine, once: up to three minutes, and kept for the next time"
log = logging.getLogger(__name__)


class _FirstCompilation(event.Listener):
    """Numba's event comes only where a function is compiled, not where it is read from a cache."""

    def __init__(self) -> None:
        self._told = False

    def on_start(self, event: Any) -> None:
        if not self._told:
            self._told = True
            log.warning(MESSAGE)

    def on_end(self, event: Any) -> None:
        """Nothing is said at the end: what follows speaks for itself."""


@cache
def announce_compilation() -> None:
    """To be called before what may compile; any number of times."""
    event.register("numba:compile", _FirstCompilation())
