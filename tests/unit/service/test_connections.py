"""Connections on which nothing, or little, is sent."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from service import connections
from service.connections import ImpatientProtocol

WAIT_S = 0.5


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers at once; on /slow after longer than a head may take."""
    if scope["path"] == "/slow":
        await receive()
        time.sleep(3 * WAIT_S)
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "HEAD_S", WAIT_S)
    config = uvicorn.Config(
        app, port=0, http=ImpatientProtocol, log_level="error", lifespan="off",
        timeout_keep_alive=20,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as made:
        yield made


REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


def answer(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"ok") and (more := connection.recv(4096)):
        received += more
    return received


def ended(connection: socket.socket) -> bool:
    """Whether the server ends it; waits for that."""
    try:
        return connection.recv(4096) == b""
    except ConnectionResetError:
        return True


def drip(connection: socket.socket, sent: bytes) -> None:
    """Byte by byte, each before anybody would be tired of it."""
    for byte in sent:
        connection.sendall(bytes([byte]))
        time.sleep(WAIT_S / 5)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n", REQUEST[:-1]])
def test_a_connection_without_a_whole_head_is_ended(connection: socket.socket, sent: bytes) -> None:
    connection.sendall(sent)
    assert ended(connection)


def test_bytes_that_drip_do_not_make_it_wait_longer(connection: socket.socket) -> None:
    with pytest.raises(ConnectionError):
        drip(connection, REQUEST * 100)


def test_a_second_head_on_a_connection_is_not_waited_for_either(connection: socket.socket) -> None:
    connection.sendall(REQUEST)
    assert answer(connection).startswith(b"HTTP/1.1 200")
    connection.sendall(REQUEST[:9])
    assert ended(connection)


@pytest.mark.thorough
def test_a_quiet_connection_that_served_stays(connection: socket.socket) -> None:
    for _ in range(2):
        connection.sendall(REQUEST)
        assert answer(connection).startswith(b"HTTP/1.1 200")
        time.sleep(2 * WAIT_S)


@pytest.mark.thorough
def test_an_answer_may_take_longer_than_a_head(connection: socket.socket) -> None:
    connection.sendall(REQUEST.replace(b"/ ", b"/slow "))
    assert answer(connection).startswith(b"HTTP/1.1 200")


def test_a_body_after_its_answer_is_not_read_for_ever(connection: socket.socket) -> None:
    connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9999\r\n\r\n")
    assert answer(connection).startswith(b"HTTP/1.1 200")
    with pytest.raises(ConnectionError):
        drip(connection, b"x" * 200)
