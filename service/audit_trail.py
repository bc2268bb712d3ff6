"""Lines of the audit log on their way into the store: gathered for a second, written by a thread.

Every line is logged at once as well. A process that is killed loses at most what it gathered; while
the store is away lines wait, KEPT of them at most.
"""

import logging
import threading
from collections import deque

from core.audit import AuditBook
from core.errors import MatteForgeError
from matteforge.schemas.audit import AuditLine

log = logging.getLogger(__name__)
GATHERED_S = 1.0
BLOCK = 500  # lines
KEPT = 50_000


class AuditTrail:
    """Where lines are handed in. Thread-safe."""

    def __init__(self, book: AuditBook) -> None:
        self._book = book
        self._waiting: deque[AuditLine] = deque()
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Write what is left."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(GATHERED_S + 5)
        self.flush()

    def add(self, line: AuditLine) -> None:
        """Costs the request nothing."""
        self._waiting.append(line)

    def flush(self) -> None:
        """Write what waits; what can't be written waits on."""
        with self._writing:
            while self._waiting:
                block = [self._waiting[i] for i in range(min(BLOCK, len(self._waiting)))]
                try:
                    self._book.put(block)
                except MatteForgeError as error:
                    log.warning("%d audit lines wait: %s", len(self._waiting), error.detail)
                    while len(self._waiting) > KEPT:
                        self._waiting.popleft()
                    return
                for _ in block:
                    self._waiting.popleft()

    def _run(self) -> None:
        while not self._stop.wait(GATHERED_S):
            self.flush()
