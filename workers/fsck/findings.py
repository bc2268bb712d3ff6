"""What a check finds, and at which pace it reads."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from core.errors import NotFound
from core.ports import ObjectStore


class Problem(StrEnum):
    MISSING = "missing"
    WRONG_SIZE = "wrong size"
    WRONG_BYTES = "wrong bytes"
    UNREADABLE = "unreadable"
    ORPHAN = "orphan"  # nothing refers to it


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One object that is not as it should be."""

    key: str
    problem: Problem
    repaired: str = ""  # what was done about it; empty: nothing was

    def __str__(self) -> str:
        return f"{self.problem:12} {self.key}" + (f"  ({self.repaired})" if self.repaired else "")


class Pace:
    """Holds reading down to a rate, so that a check does not take the store from the workers."""

    def __init__(
        self,
        bytes_per_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._sleep = sleep
        self._free_at_s = clock()

    def read(self, size_bytes: int) -> None:
        """To be called after each chunk."""
        self._free_at_s = max(self._free_at_s, self._clock()) + size_bytes / self._bytes_per_s
        if (early_s := self._free_at_s - self._clock()) > 0:
            self._sleep(early_s)


def compare_object(
    store: ObjectStore, key: str, *, size_bytes: int | None, sha256: str, pace: Pace
) -> Problem | None:
    """What is wrong with an object of this size (None: any) and SHA-256; None when it is right."""
    info = store.head(key)
    if info is None:
        return Problem.MISSING
    if size_bytes is not None and info.size_bytes != size_bytes:
        return Problem.WRONG_SIZE
    found = hashlib.sha256()
    try:
        for chunk in store.stream(key):
            found.update(chunk)
            pace.read(len(chunk))
    except NotFound:
        return Problem.MISSING
    return None if found.hexdigest() == sha256 else Problem.WRONG_BYTES
