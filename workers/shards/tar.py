"""Deterministic GNU tars in WebDataset layout, hashed while they are written."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Self, cast


class _Hashed:
    """The part of a binary file that tarfile writes to, hashing all that passes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size_bytes += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self.size_bytes


class ShardTar:
    """A tar being written: a context manager. Equal samples give equal bytes: fixed time, owner,
    mode and order.

    `sha256` and `size_bytes` describe the whole file once the block is left.
    """

    def __init__(self, path: Path) -> None:
        self.samples = 0
        self._file = path.open("wb")
        self._hashed = _Hashed(self._file)
        self._tar = tarfile.open(  # noqa: SIM115
            fileobj=cast(BinaryIO, self._hashed), mode="w", format=tarfile.GNU_FORMAT
        )

    def add(self, key: str, members: Mapping[str, bytes]) -> None:
        """Append one sample: `members` maps suffixes (alpha.png, json) to file contents, written in
        suffix order."""
        for suffix in sorted(members):
            info = tarfile.TarInfo(f"{key}.{suffix}")
            info.size = len(members[suffix])
            info.mode = 0o644
            self._tar.addfile(info, io.BytesIO(members[suffix]))
        self.samples += 1

    @property
    def sha256(self) -> str:
        return self._hashed.sha256.hexdigest()

    @property
    def size_bytes(self) -> int:
        return self._hashed.size_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._tar.close()
        finally:
            self._file.close()
