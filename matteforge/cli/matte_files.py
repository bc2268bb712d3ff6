"""Where `matteforge matte` writes: whole files, or standard output."""

import os
import sys
import tempfile
from pathlib import Path

from matteforge.errors import MatteForgeError

PIPE = Path("-")


def write_picture(target: Path, content: bytes) -> None:
    """Write a whole file or none. Raises MatteForgeError."""
    if target == PIPE:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    part = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".matte-", delete=False) as file:
            part = Path(file.name)
            file.write(content)
        part.chmod(0o666 & ~_umask())
        os.replace(part, target)
    except OSError as error:
        if part is not None:
            part.unlink(missing_ok=True)
        raise MatteForgeError(f"{target} can't be written: {error.strerror}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
