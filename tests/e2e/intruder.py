"""What somebody without any secret tries on a port: HTTP, HTTPS, gRPC and Redis' protocol. Standard
library only.
"""

import os
import pickle
import socket
import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product
from typing import Any

NOBODY = 65534
PATIENCE_S = 2
METHODS = ("GET", "POST", "PUT", "DELETE")
PATHS = (
    "/", "/healthz", "/readyz", "/healthcheck", "/docs", "/openapi.json", "/metrics",
    "/v1/datasets", "/v1/models", "/api/workers", "/workers", "/matteforge", "/matteforge/",
    "/matteforge/keys/planted.json", "/matteforge?list-type=2", "/buckets/",
    "/buckets/matteforge/keys/planted.json", "/1,01", "/dir/assign", "/dir/lookup?volumeId=1",
    "/dir/status", "/vol/status", "/vol/grow?count=1", "/vol/vacuum", "/cluster/status",
    "/col/delete?collection=matteforge", "/submit", "/status", "/stats/disk", "/ui/index.html",
    "/debug/pprof/", "/?Action=ListUsers&Version=2010-05-08",
)  # fmt: skip
COMMANDS = ("PING", "KEYS *", "GET mf:initialised", "SET mf:planted 1", "FLUSHALL", "CONFIG GET *")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(
    [0, 0, 0, 4, 0, 0, 0, 0, 0]
)  # and an empty SETTINGS frame
SETTINGS_FRAME = 4


def attack(port: int) -> list[str]:
    """Everything that was answered with other than a refusal, as `PROTOCOL METHOD PATH STATUS`."""
    found = []
    for scheme in ("http", "https"):
        if _request(port, scheme, "GET", "/") is not None:  # it speaks the protocol to us
            for method, path in product(METHODS, PATHS):
                status = _request(port, scheme, method, path)
                if status is not None and status < 400:
                    found.append(f"{scheme} {method} {path} {status}")
        if _grpc_answers(port, scheme):
            found.append(f"{scheme} gRPC")
    if _redis(port, "PING"):  # it speaks the protocol to us
        found += [
            f"redis {command}" for command in COMMANDS if not _redis(port, command).startswith(b"-")
        ]
    return found


def attack_all(ports: Iterable[int]) -> dict[int, list[str]]:
    """`attack` on each, all at once."""
    asked = sorted(ports)
    with ThreadPoolExecutor(len(asked)) as pool:
        return dict(zip(asked, pool.map(attack, asked), strict=True))


def as_nobody(work: Callable[[], Any]) -> Any:
    """The result of `work` in a process of another user, where this one may make such; else of this
    user.
    """
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        with suppress(BaseException):
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(work(), pipe)
            os._exit(0)
        os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        result = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return pickle.loads(result)


def _ask(port: int, scheme: str, request: bytes, wanted: int = 64) -> bytes:
    """The first bytes of the answer; none when the server hangs up or says nothing."""
    answer = b""
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as plain,
    ):
        connection: socket.socket = plain
        if scheme == "https":
            trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            connection = trusting.wrap_socket(plain)
        connection.sendall(request)
        connection.settimeout(PATIENCE_S)
        while len(answer) < wanted and (received := connection.recv(wanted)):
            answer += received
    return answer


def _request(port: int, scheme: str, method: str, path: str) -> int | None:
    body = b"planted" if method in ("POST", "PUT") else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: https://elsewhere.example\r\n"
    answer = _ask(
        port,
        scheme,
        f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body,
    )
    if not answer.startswith(b"HTTP/1."):
        return None
    status = int(answer.split()[1])
    return 400 if b"HTTP request to an HTTPS server" in answer else status


def _grpc_answers(port: int, scheme: str) -> bool:
    answer = _ask(port, scheme, PREFACE, wanted=9)
    return len(answer) >= 4 and answer[3] == SETTINGS_FRAME


def _redis(port: int, command: str) -> bytes:
    answer = _ask(port, "http", f"{command}\r\n".encode(), wanted=5)
    return answer if answer[:1] in (b"+", b"-", b"*", b"$", b":") else b""
