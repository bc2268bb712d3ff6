"""A bound on the time until a response starts: 503 with Retry-After, whatever it waits for.

The clock starts anew with each piece of the body that arrives, so a large upload over a slow line
is no fault. Paths whose work takes longer by nature have a bound of their own.
"""

import asyncio
import logging
import time
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import TransientError
from service.problems import problem_response

log = logging.getLogger(__name__)
DEADLINE_S = 10.0


class Deadline:
    """Answers for a route that took too long; its thread ends by its own timeouts, unheard.
    `longer`: seconds of single paths, whose callers may ask them to wait."""

    def __init__(
        self,
        app: ASGIApp,
        seconds: float = DEADLINE_S,
        longer: Mapping[str, float] | None = None,
    ) -> None:
        self._app = app
        self._seconds = seconds
        self._longer = longer or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, late = asyncio.Event(), False
        seconds = self._longer.get(scope["path"], self._seconds)
        fed_s = time.monotonic()

        async def fed() -> Message:
            nonlocal fed_s
            message = await receive()
            fed_s = time.monotonic()
            return message

        async def heard(message: Message) -> None:
            if not late:
                started.set()
                await send(message)

        work = asyncio.ensure_future(self._app(scope, fed, heard))
        begun = asyncio.ensure_future(started.wait())
        try:
            while (
                not (work.done() or begun.done())
                and (left_s := fed_s + seconds - time.monotonic()) > 0
            ):
                await asyncio.wait(
                    (work, begun), timeout=left_s, return_when=asyncio.FIRST_COMPLETED
                )
            if work.done() or started.is_set():
                await work
                return
        except asyncio.CancelledError:
            work.cancel()
            raise
        finally:
            begun.cancel()
        late = True
        work.add_done_callback(_unheard)
        detail = f"nothing was heard from the stores within {seconds:g} s; try again"
        await problem_response(503, TransientError.code, detail)(scope, receive, send)


def _unheard(work: "asyncio.Future[None]") -> None:
    if not work.cancelled() and (error := work.exception()):
        log.warning("a request that was answered already failed: %r", error)
