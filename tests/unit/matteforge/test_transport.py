"""matteforge.transport on real sockets: a connection that is reset just when it is used again."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from deploy.serve import KEEP_ALIVE_S
from matteforge import AsyncMatteForge, MatteForge, MatteForgeUnavailable
from matteforge.transport import LIMITS

IDENT = "ds_" + "0" * 24


class Resetting:
    """A server that answers one request a connection, and resets it at the second; `resets` says
    how often, after which it answers all."""

    def __init__(self, body: bytes, resets: int) -> None:
        self._answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        self.left = resets
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            served = 0
            while (request := connection.recv(65536)) and b"\r\n\r\n" in request:
                self.requests.append(request)
                if served and self.left:
                    self.left -= 1
                    connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                    return
                connection.sendall(self._answer)
                served += 1

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def server(queued: dict[str, Any]) -> Iterator[Resetting]:
    made = Resetting(json.dumps(queued).encode(), resets=2)
    yield made
    made.close()


def keys(requests: list[bytes]) -> set[bytes]:
    """The Idempotency-Keys that were sent."""
    lines = (line for request in requests for line in request.lower().split(b"\r\n"))
    return {line for line in lines if line.startswith(b"idempotency-key: ")}


def test_a_request_on_a_connection_that_is_reset_is_sent_again(server: Resetting) -> None:
    with MatteForge(server.url, "k") as client:
        assert client.get(IDENT).id == IDENT
        assert client.get(IDENT).id == IDENT
        assert client.order(10).id == IDENT
    assert server.left == 0
    orders = [request for request in server.requests if request.startswith(b"POST")]
    assert len(orders) == 2
    assert len(keys(orders)) == 1


def test_so_it_is_by_the_asynchronous_client(server: Resetting) -> None:
    async def use() -> None:
        async with AsyncMatteForge(server.url, "k") as client:
            assert (await client.get(IDENT)).id == IDENT
            assert (await client.get(IDENT)).id == IDENT
            assert (await client.order(10)).id == IDENT

    asyncio.run(use())
    assert server.left == 0
    assert len(keys(server.requests)) == 1


def test_the_api_keeps_an_idle_connection_longer_than_clients_do() -> None:
    kept_s = LIMITS.keepalive_expiry
    assert kept_s is not None
    assert 2 * kept_s < float(KEEP_ALIVE_S), "else it would end one just when it is used again"


def test_a_client_that_may_try_once_says_what_broke(server: Resetting) -> None:
    with MatteForge(server.url, "k", attempts=1) as client:
        client.get(IDENT)
        with pytest.raises(MatteForgeUnavailable, match=r"reset|disconnected"):
            client.get(IDENT)
