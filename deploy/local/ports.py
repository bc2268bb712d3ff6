"""Free TCP ports on the loopback interface."""

import random
import socket

LOOPBACK = "127.0.0.1"
RANGE = range(10_240, 22_768)
"""Outgoing connections get ports from 32,768 up: none takes these, or those at +10,000, between two
lives of a server.

A client that kept asking for a dead server's port in that range might even be connected to itself.
"""


def free_ports(number: int, *, also_at: int = 0) -> list[int]:
    """`number` different ports that nobody listens on; with `also_at`, port + also_at is free as
    well."""
    drawn = random.SystemRandom().sample(RANGE, len(RANGE))
    usable = (port for port in drawn if is_free(port) and (not also_at or is_free(port + also_at)))
    return [next(usable) for _ in range(number)]


def is_free(port: int) -> bool:
    """True when a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
