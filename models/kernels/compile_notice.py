"""Says that numba compiles, which takes minutes where nothing is cached yet and would else look
dead."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from numba.core import event

log = logging.getLogger(__name__)


class _Compilations(event.Listener):
    """Numba's event comes only where a function is compiled, not where it is read from a cache."""

    def __init__(self, tell: Callable[[str, str], None] = log.warning) -> None:
        """tell: takes a message and the package's name, as a logger's methods do."""
        self._tell, self._told = tell, set[str]()

    def on_start(self, event: Any) -> None:
        what = package_of(event.data["dispatcher"].py_func.__module__)
        if what not in ("numba", *self._told):
            self._told.add(what)
            self._tell(
                "compiling %s for this machine, once: up to three minutes, and kept for the next "
                "time",
                what,
            )

    def on_end(self, event: Any) -> None:
        """Nothing is said at the end: what follows speaks for itself."""


def package_of(module: str) -> str:
    """The package that a person knows: `pymatting`, or a kernel's own, `models.kernels`."""
    parts = module.split(".")
    return ".".join(parts[: 2 if parts[0] == "models" else 1])


@cache
def announce_compilation() -> None:
    """To be called before what may compile; any number of times."""
    event.register("numba:compile", _Compilations())
