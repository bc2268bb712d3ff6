"""Look-ups of keys and sessions, in a few threads of their own: however many are tried while the
store hangs, no other request waits for a thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from core.errors import StoreUnavailable

WAIT_S = 2.0
THREADS = 2
Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")


class Lookups:
    """What strangers may ask of the store; it waits here, for WAIT_S at most."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="keys")

    async def run(
        self,
        look: Callable[Arguments, Found],
        *args: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Found:
        """What `look` finds. Raises StoreUnavailable while the store hangs."""
        loop = asyncio.get_running_loop()
        looking = loop.run_in_executor(self._pool, lambda: look(*args, **options))
        try:
            return await asyncio.wait_for(looking, WAIT_S)
        except TimeoutError:
            raise StoreUnavailable("the object store, which holds the keys, hangs") from None
