"""Temporary files of a worker's process, all in one folder: what a killed one left is removed when
the next one starts.

The folder is locked for as long as its process lives, whatever ends it (flock).
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "matteforge-worker-"
UNLOCKED = "matteforge-new-"  # until it is locked, it has another name


def move_in() -> Path:
    """Make this process's folder and let `tempfile` put everything there; remove those of dead
    processes."""
    home = Path(tempfile.gettempdir())
    for left in home.glob(f"{PREFIX}*"):
        if (descriptor := _locked(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(descriptor)
    new = Path(tempfile.mkdtemp(prefix=UNLOCKED))
    _locked(new)  # its descriptor stays open until this process ends
    own = new.rename(home / new.name.replace(UNLOCKED, PREFIX))
    tempfile.tempdir = str(own)
    return own


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock; None when somebody else does."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def move_out() -> None:
    """Remove this process's folder."""
    if tempfile.tempdir is not None and Path(tempfile.tempdir).name.startswith(PREFIX):
        shutil.rmtree(tempfile.tempdir, ignore_errors=True)
        tempfile.tempdir = None
