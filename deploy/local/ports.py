"""Free TCP ports on the loopback interface."""

import json
import random
import socket
from collections.abc import Sequence
from pathlib import Path

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


def kept_ports(file: Path, names: Sequence[str], *, also_at: int = 0) -> dict[str, int]:
    """A port for each name: those of the last start, noted in `file`, where all of them are free
    still; else new ones, as of `free_ports`. URLs that were given out outlive a restart so."""
    try:
        known = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        known = {}
    if isinstance(known, dict) and list(known) == list(names):
        ports = [*known.values(), *(port + also_at for port in known.values() if also_at)]
        if all(is_free(port) for port in ports):
            return known
    drawn = dict(zip(names, free_ports(len(names), also_at=also_at), strict=True))
    file.write_text(json.dumps(drawn))
    return drawn


def is_free(port: int) -> bool:
    """True when a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
