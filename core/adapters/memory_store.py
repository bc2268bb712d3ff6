"""Object storage in memory, for tests."""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from core.errors import NotFound, PreconditionFailed
from core.ports import ObjectInfo


class MemoryStore:
    """An object store in a dictionary."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, ObjectInfo]] = {}
        self._lock = threading.Lock()

    def put(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_none_match: bool = False,
        if_match: str | None = None,
    ) -> str:
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        with self._lock:
            current = self._objects.get(key)
            if if_none_match and current is not None:
                raise PreconditionFailed(f"{key} exists already")
            if if_match is not None and (current is None or current[1].etag != if_match):
                raise PreconditionFailed(f"{key} changed since it was read")
            lowered = {name.lower(): value for name, value in (metadata or {}).items()}
            self._objects[key] = (
                body,
                ObjectInfo(key=key, size_bytes=len(body), etag=etag, metadata=lowered),
            )
        return etag

    def upload(
        self,
        key: str,
        path: Path,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_none_match: bool = False,
    ) -> str:
        return self.put(
            key,
            path.read_bytes(),
            content_type=content_type,
            metadata=metadata,
            if_none_match=if_none_match,
        )

    def get(self, key: str) -> tuple[bytes, ObjectInfo]:
        if key not in self._objects:
            raise NotFound(f"no object {key}")
        return self._objects[key]

    def get_range(self, key: str, start: int, size_bytes: int) -> bytes:
        return self.get(key)[0][start : start + size_bytes]

    def head(self, key: str) -> ObjectInfo | None:
        return self._objects[key][1] if key in self._objects else None

    def stream(self, key: str, *, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
        body, _ = self.get(key)
        return (body[start : start + chunk_bytes] for start in range(0, len(body), chunk_bytes))

    def list_keys(
        self, prefix: str, *, start_after: str = "", page_size: int = 1000
    ) -> Iterator[str]:
        return iter(
            sorted(key for key in self._objects if key.startswith(prefix) and key > start_after)
        )

    def list_names(self, prefix: str) -> Iterator[str]:
        tails = (key.removeprefix(prefix) for key in self._objects if key.startswith(prefix))
        return iter(sorted(tail for tail in tails if "/" not in tail))

    def list_etags(self, prefix: str) -> Iterator[tuple[str, str]]:
        return ((name, self._objects[prefix + name][1].etag) for name in self.list_names(prefix))

    def list_folders(self, prefix: str) -> Iterator[str]:
        tails = (key.removeprefix(prefix) for key in self._objects if key.startswith(prefix))
        return iter(sorted({tail.split("/", 1)[0] for tail in tails if "/" in tail}))

    def delete(self, key: str) -> None:
        with self._lock:
            self._objects.pop(key, None)

    def presign_get(self, key: str, *, expires_s: int) -> str:
        return f"memory://{key}?expires_s={expires_s}"

    def probe(self) -> None:
        """Memory is always fit."""
