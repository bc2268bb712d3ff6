"""A stack's data directory: held by one stack at a time, swept of what an earlier one left."""

import fcntl
import shutil
from pathlib import Path
from typing import IO

from core.registry import UNFINISHED


class DataDirInUse(Exception):
    """Two stacks on one data directory would spoil it."""


def sweep(data_dir: Path) -> None:
    """Remove what processes of an earlier stack left when they were killed.

    The caller holds the directory's lock.
    """
    shutil.rmtree(data_dir / "tmp", ignore_errors=True)
    (data_dir / "tmp").mkdir(mode=0o700)
    for unfinished in (data_dir / "cache").glob(f"{UNFINISHED}*"):
        shutil.rmtree(unfinished, ignore_errors=True)


def lock(path: Path) -> IO[bytes]:
    """Hold a lock for as long as the file is open. Raises DataDirInUse."""
    file = path.open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise DataDirInUse(f"another stack runs on {path.parent}") from None
    return file
