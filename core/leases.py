"""Hold a lease while working: renewed by a thread, checked before anything is committed."""

import contextlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import LeaseLost, TransientError
from core.ports import LeaseBook


def shard_lease(dataset_id: str, shard: int) -> str:
    """Name of the lease on one shard."""
    return f"shard/{dataset_id}/{shard}"


class HeldLease:
    """A lease in hand. `check` raises once a renewal found another holder."""

    def __init__(self, book: LeaseBook, name: str, ttl_s: float) -> None:
        self.name = name
        self.token = secrets.token_hex(16)
        self._book = book
        self._ttl_s = ttl_s
        self._lost = threading.Event()
        self._stop = threading.Event()

    def check(self) -> None:
        """Raises LeaseLost when the lease went to somebody else."""
        if self._lost.is_set():
            raise LeaseLost(f"the lease {self.name} went to another worker")

    def _renew_until_stopped(self, every_s: float) -> None:
        while not self._stop.wait(every_s):
            try:
                if not self._book.renew(self.name, self.token, self._ttl_s):
                    self._lost.set()
                    return
            except TransientError:
                continue  # commits are conditional: an unreachable Redis must not stop the work


@contextmanager
def hold(book: LeaseBook, name: str, *, ttl_s: float, renew_s: float) -> Iterator[HeldLease | None]:
    """The lease called `name` for the length of the block, or None when somebody else holds it."""
    lease = HeldLease(book, name, ttl_s)
    if not book.acquire(name, lease.token, ttl_s):
        yield None
        return
    thread = threading.Thread(
        target=lease._renew_until_stopped, args=(renew_s,), name=f"renew {name}", daemon=True
    )
    thread.start()
    try:
        yield lease
    finally:
        lease._stop.set()
        thread.join()
        with contextlib.suppress(TransientError):  # it expires by itself
            book.release(name, lease.token)
