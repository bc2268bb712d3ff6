"""One POST to an address that a user named: resolved once, checked, pinned; no redirects, no reply
read, and an end to it after DEADLINE_S, however slowly the receiver answers."""

import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import httpcore

from core.webhooks.addresses import is_open

log = logging.getLogger(__name__)
CONNECT_S = 5.0
DEADLINE_S = 20.0
Resolve = Callable[..., list[tuple[Any, ...]]]


class AddressRefused(Exception):
    """The name leads to an address of this network."""


class _Timed(httpcore.NetworkStream):
    """A connection on which nothing waits beyond the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline_s: float) -> None:
        self._inner = inner
        self._deadline_s = deadline_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._left_s())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._left_s())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._left_s())
        return _Timed(inner, self._deadline_s)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _left_s(self) -> float:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise httpcore.ReadTimeout(f"no answer within {DEADLINE_S:g} s")
        return left_s


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to the address that a name resolved to, if all its addresses may be reached; the
    name is never asked again, and so it can't change in between (DNS rebinding)."""

    def __init__(self, *, private: bool, resolve: Resolve = socket.getaddrinfo) -> None:
        self._private = private
        self._resolve = resolve
        self._deadline_s = time.monotonic() + DEADLINE_S
        self._tcp = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        found = self._resolve(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not self._private:
            for address in addresses:
                if not is_open(address):
                    log.info("%s is %s: refused", host, address)  # not for who ordered it
                    raise AddressRefused(f"{host} leads to no address of the open internet")
        stream = self._tcp.connect_tcp(addresses[0], port, CONNECT_S)
        return _Timed(stream, self._deadline_s)


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    private: bool,
    resolve: Resolve = socket.getaddrinfo,
) -> int:
    """Send a body; returns the status. What else is answered is not read.

    Raises AddressRefused; httpcore's errors, ssl.SSLError and OSError when nothing is answered.
    """
    backend = GuardedBackend(private=private, resolve=resolve)
    with (
        httpcore.ConnectionPool(
            network_backend=backend, ssl_context=ssl.create_default_context()
        ) as pool,
        pool.stream("POST", url, content=body, headers=list(headers.items())) as response,
    ):
        return int(response.status)
