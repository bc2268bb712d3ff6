"""Free TCP ports on the loopback interface."""

import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"
HIGHEST = 45_000  # leaves room for a second port at +10000


def free_ports(number: int, *, also_at: int = 0) -> list[int]:
    """`number` different ports that nobody listens on; with `also_at`, port + also_at is free as well."""
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < number:
            probe = held.enter_context(socket.socket())
            probe.bind((LOOPBACK, 0))
            port = probe.getsockname()[1]
            if not also_at or (port <= HIGHEST and is_free(port + also_at)):
                found.append(port)
    return found


def is_free(port: int) -> bool:
    """True when a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
