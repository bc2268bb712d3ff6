"""Connections as strangers open them: many, and silent ones. Chosen by deploy/serve.py.

A connection costs a file descriptor, of which a process may often have 1,024: whoever opened so
many and sent nothing would keep everybody else out.
"""

import asyncio
import resource

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 60.0  # as nginx has it: a client on a busy machine may be late
"""Until the head of a request is there, since the connection was made, or the head begun."""


def allow_connections() -> None:
    """Let this process have as many files and connections as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class ImpatientProtocol(H11Protocol):
    """uvicorn's, which alone waits for ever: it ends a connection on which no whole head arrives
    within HEAD_S, or on which somebody still sends so long after the answer."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(HEAD_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
