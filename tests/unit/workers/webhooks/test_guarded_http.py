"""The guarded POST against a real server on this machine."""

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import httpcore
import pytest

from workers.webhooks import guarded_http
from workers.webhooks.guarded_http import AddressRefused, GuardedBackend, post


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is sent; /moved redirects, /drip answers a byte at a time."""

    seen: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).seen.append((self.path, body))
        if self.path == "/drip":
            self._drip()
            return
        self.send_response(302 if self.path == "/moved" else 204)
        if self.path == "/moved":
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def _drip(self) -> None:
        pause = threading.Event()
        try:
            for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
                self.wfile.write(bytes([letter]))
                pause.wait(0.02)
        except OSError:
            pass

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def receiver(serve_http: Callable[..., str]) -> tuple[str, list[tuple[str, bytes]]]:
    handler = type("Handler", (Receiver,), {"seen": []})
    return serve_http(handler), handler.seen


def test_a_body_arrives(receiver) -> None:
    url, seen = receiver
    assert post(f"{url}/hook", b"{}", {"content-type": "application/json"}, private=True) == 204
    assert seen == [("/hook", b"{}")]


def test_a_redirect_is_not_followed(receiver) -> None:
    url, seen = receiver
    assert post(f"{url}/moved", b"{}", {}, private=True) == 302
    assert seen == [("/moved", b"{}")]


def resolver(*answers: str):
    """A resolver whose answer changes from one question to the next."""
    left, asked = list(answers), []

    def resolve(host: str, port: int, **_: object):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (left.pop(0), port))]

    return resolve, asked


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "localhost"])
def test_this_machine_is_not_reached_however_it_is_spelled(receiver, host: str) -> None:
    url, seen = receiver
    port = url.rpartition(":")[2]
    with pytest.raises(AddressRefused, match="no address of the open internet") as refused:
        post(f"http://{host}:{port}/hook", b"{}", {}, private=False)
    assert str(refused.value).startswith(f"{host.strip('[]')} leads to no address"), (
        "what a name of this network is, is not told to who ordered"
    )
    assert seen == []


def test_a_name_is_resolved_once_and_pinned(receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: a name that is open when it is checked, and this machine when it is used."""
    connected = []

    def connect(self: object, host: str, port: int, timeout: float) -> httpcore.NetworkStream:
        connected.append(host)
        raise httpcore.ConnectError("no network here")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    resolve, asked = resolver("93.184.216.34", "127.0.0.1")
    with pytest.raises(httpcore.ConnectError):
        post("https://rebind.example/", b"{}", {}, private=False, resolve=resolve)
    assert (asked, connected) == (["rebind.example"], ["93.184.216.34"])


def test_one_closed_address_among_open_ones_is_refused() -> None:
    def resolve(host: str, port: int, **_: object):
        return [(0, 0, 0, "", (address, port)) for address in ("8.8.8.8", "10.0.0.1")]

    with pytest.raises(AddressRefused, match="no address of the open internet"):
        GuardedBackend(private=False, resolve=resolve).connect_tcp("two.example", 443)


def test_an_answer_that_drips_is_not_waited_for(receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded_http, "DEADLINE_S", 0.5)
    url, _ = receiver
    with pytest.raises(httpcore.TimeoutException):
        post(f"{url}/drip", b"{}", {}, private=True)
