"""Whether the API can serve. Looking may hang with what is looked at: a thread of its own does."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from core.errors import MatteForgeError
from core.ports import Doorbell, LiveView, ObjectStore
from service.startup import Startup

WAIT_S = 2.0


class Readiness:
    """One look at a time, whoever asks: no number of requests costs more than one of them."""

    def __init__(
        self, startup: Startup, store: ObjectStore, live: LiveView, doorbell: Doorbell
    ) -> None:
        self._startup = startup
        self._checks: dict[str, Callable[[], list[str]]] = {
            "the object store": lambda: _reads(store),
            "Redis": lambda: _pings(live),
            "the broker": lambda: _stalled(doorbell),
        }
        self._looked_at = ""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._look: asyncio.Future[list[str]] | None = None

    async def missing(self) -> list[str]:
        """What is missing, one line each; empty when the API can serve. Takes WAIT_S at most."""
        if self._look is None or self._look.done():
            self._look = asyncio.get_running_loop().run_in_executor(self._pool, self._missing)
        try:
            return await asyncio.wait_for(asyncio.shield(self._look), WAIT_S)
        except TimeoutError:
            return [f"{self._looked_at} did not answer within {WAIT_S:g} s"]

    def _missing(self) -> list[str]:
        missing = [f"STARTING: {self._startup.missing}"] if self._startup.missing else []
        for name, check in self._checks.items():
            self._looked_at = name
            try:
                missing += check()
            except MatteForgeError as error:
                missing.append(f"{error.code}: {error.detail}")
        return missing


def _reads(store: ObjectStore) -> list[str]:
    store.head("readyz")
    return []


def _pings(live: LiveView) -> list[str]:
    live.ping()
    return []


def _stalled(doorbell: Doorbell) -> list[str]:
    """Workers that take nothing although messages wait for them: soon they end themselves."""
    return [
        f"workers_stalled: {worker.name} took nothing for {worker.idle_s:g} s while messages wait"
        for worker in doorbell.consumers()
        if worker.stalled
    ]
