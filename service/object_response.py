"""An object of the store as a response: with Range, If-Range, ETag, a chunk at a time in memory."""

import re
from collections.abc import Iterator

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from core.ports import ObjectStore

CHUNK_BYTES = 1 << 20
HARMLESS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "sandbox",
    "X-Content-Type-Options": "nosniff",
}
"""A page among the objects is shown as it is meant, and has no hand on the console beside it."""
RANGE = re.compile(r"bytes=(?P<first>\d{0,18})-(?P<last>\d{0,18})", re.ASCII)


def object_response(
    request: Request, store: ObjectStore, key: str, *, size_bytes: int, etag: str, media_type: str
) -> Response:
    """The object, or the part of it that the request's Range asks for (RFC 9110, 14).

    etag: without quotes. One range is served; several, or another unit, mean the whole.
    """
    quoted = f'"{etag}"'
    headers = {"Accept-Ranges": "bytes", "ETag": quoted} | HARMLESS
    known = {tag.strip() for tag in request.headers.get("if-none-match", "").split(",")}
    if known & {quoted, f"W/{quoted}", "*"}:
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    if wanted is None or request.headers.get("if-range", quoted) != quoted:
        return _body(store, key, range(size_bytes), 200, headers, media_type)
    found = RANGE.fullmatch(wanted.strip())
    if found is None or not (found["first"] or found["last"]):
        return _body(store, key, range(size_bytes), 200, headers, media_type)
    part = _part(found["first"], found["last"], size_bytes)
    if not part:
        headers["Content-Range"] = f"bytes */{size_bytes}"
        return Response(status_code=416, headers=headers)
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size_bytes}"
    return _body(store, key, part, 206, headers, media_type)


def _part(first: str, last: str, size_bytes: int) -> range:
    if not first:  # the last so many bytes
        return range(max(size_bytes - int(last), 0), size_bytes)
    end = min(int(last) + 1, size_bytes) if last else size_bytes
    return range(int(first), end)


def _body(
    store: ObjectStore,
    key: str,
    part: range,
    status: int,
    headers: dict[str, str],
    media_type: str,
) -> Response:
    def chunks() -> Iterator[bytes]:
        for start in range(part.start, part.stop, CHUNK_BYTES):
            yield store.get_range(key, start, min(CHUNK_BYTES, part.stop - start))

    length = {"Content-Length": str(len(part))}
    return StreamingResponse(chunks(), status, headers | length, media_type)
