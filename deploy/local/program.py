"""What the supervisor needs to know of a program: how it is started and how one sees that it is
ready."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


def always_ready() -> bool:
    """For programs that nobody waits for."""
    return True


@dataclass(frozen=True, kw_only=True)
class Program:
    """One child process."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)  # added to the supervisor's own
    ready: Callable[[], bool] = always_ready
    ready_timeout_s: float = 60
    nice: int = 0  # how far it stands back where processors are short
    stage: int = (
        0  # stopped in ascending order of stage: programs first, the servers that they use last
    )
    grace_s: float = 10  # between SIGTERM and SIGKILL


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)
