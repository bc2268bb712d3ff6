"""What an archive may unpack to: bounded in members, in total, and against its own size."""

import bz2
import gzip
import lzma
import tempfile
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

MAX_MEMBERS = 2_000_000
MAX_RATIO = 100  # unpacked to packed; pictures hardly pack at all
FREE_BYTES = 1024**3  # that much may be unpacked whatever the ratio
CHUNK_BYTES = 1024 * 1024
OPENERS: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}


class ArchiveTooLarge(ValueError):
    """It holds too many members, or unpacks to far more than it weighs."""


def limit_bytes(packed_bytes: int) -> int:
    """What an archive of that size may unpack to, in bytes."""
    return max(FREE_BYTES, MAX_RATIO * packed_bytes)


def check_zip(archive: zipfile.ZipFile, path: Path) -> None:
    """Raise ArchiveTooLarge by what its directory declares; no member ever yields more."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise ArchiveTooLarge(f"{path.name} holds more than {MAX_MEMBERS} members")
    total, most = sum(info.file_size for info in members), limit_bytes(path.stat().st_size)
    if total > most:
        raise ArchiveTooLarge(f"{path.name} unpacks to {total} bytes; at most {most} are taken")


def plain_tar(path: Path) -> BinaryIO:
    """A tar open for reading at any place; a compressed one is unpacked to a temporary file once.

    Raises ArchiveTooLarge, and what broken compression raises.
    """
    with path.open("rb") as file:
        head = file.read(6)
    opener = next((open_ for magic, open_ in OPENERS.items() if head.startswith(magic)), None)
    if opener is None:
        return path.open("rb")
    most, unpacked = limit_bytes(path.stat().st_size), 0
    plain = cast(BinaryIO, tempfile.TemporaryFile(prefix="matteforge-tar-"))  # noqa: SIM115 (the caller closes it)
    with opener(path, "rb") as packed:
        while chunk := packed.read(CHUNK_BYTES):
            unpacked += len(chunk)
            if unpacked > most:
                plain.close()
                raise ArchiveTooLarge(f"{path.name} unpacks to more than {most} bytes")
            plain.write(chunk)
    return plain
