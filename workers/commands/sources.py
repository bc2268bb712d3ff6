"""Where pictures come from: a path, a bucket's prefix, or a list of URLs; sizes are bounded."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
import httpx

from core.errors import MatteForgeError
from core.ports import ObjectStore
from models.corpora.members import Member, Source, Unusable, is_clutter, spelled
from models.imaging.decode import MAX_FILE_BYTES

TIMEOUT_S = 30.0
MAX_LIST_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024


def source_of(given: str) -> Path | Source:
    """A path that exists, `s3://BUCKET/PREFIX`, or a text file of URLs, one a line.

    Raises click.BadParameter, saying what would do.
    """
    if given.startswith("s3://"):
        return _bucket(given)
    path = Path(given)
    if not path.exists():
        raise click.BadParameter(f"{given} is neither a path nor s3://BUCKET/PREFIX")
    if path.is_file() and path.suffix.lower() == ".txt":
        return Source(name=path.name, members=partial(_listed, path))
    return path


def _listed(path: Path) -> Iterator[Member]:
    if path.stat().st_size > MAX_LIST_BYTES:
        raise click.BadParameter(f"{path} has more than {MAX_LIST_BYTES} bytes")
    for line in path.read_text(encoding="utf-8").splitlines():
        url = line.strip()
        if not url or url.startswith("#"):
            continue
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise click.BadParameter(f"{url!r} in {path.name} is no http or https URL")
        yield Member(name=spelled(unquote(parts.path)), read=partial(_fetched, url))


def _fetched(url: str) -> bytes:
    """The content behind a URL. Raises Unusable: it does not answer, refuses, or sends too much."""
    content = bytearray()
    try:
        with httpx.stream("GET", url, timeout=TIMEOUT_S, follow_redirects=True) as answer:
            if answer.status_code != httpx.codes.OK:
                raise Unusable(f"http_{answer.status_code}")
            for chunk in answer.iter_bytes(CHUNK_BYTES):
                content += chunk
                if len(content) > MAX_FILE_BYTES:
                    raise Unusable("too_large")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unusable("unreachable") from error
    return bytes(content)


def _bucket(given: str) -> Source:
    """Objects below a prefix, with the endpoint and keys of the settings."""
    parts = urlsplit(given)
    if not parts.netloc:
        raise click.BadParameter(f"{given} names no bucket; s3://BUCKET/PREFIX would")
    prefix = parts.path.lstrip("/")
    return Source(name=given, members=partial(_objects, parts.netloc, prefix))


def _objects(bucket: str, prefix: str) -> Iterator[Member]:
    from workers import app

    store = app.bucket(bucket)
    folder = prefix[: prefix.rfind("/") + 1]
    for key in store.list_keys(prefix):
        name = spelled(key.removeprefix(folder))
        if name and not key.endswith("/") and not is_clutter(name):
            yield Member(name=name, read=partial(_object, store, key))


def _object(store: ObjectStore, key: str) -> bytes:
    content = bytearray()
    try:
        for chunk in store.stream(key):
            content += chunk
            if len(content) > MAX_FILE_BYTES:
                raise Unusable("too_large")
    except MatteForgeError as error:
        raise Unusable("unreachable") from error
    return bytes(content)
