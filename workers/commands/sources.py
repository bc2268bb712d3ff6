"""Where pictures come from: a path, a bucket's prefix, or a list of URLs; sizes are bounded."""

import ipaddress
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

import click
import httpx

from core.errors import MatteForgeError
from core.ports import ObjectStore
from models.corpora.members import Member, Source, Unusable, is_clutter, spelled
from models.imaging.decode import MAX_FILE_BYTES

TIMEOUT_S = 30.0
MAX_LIST_BYTES = 64 * 1024 * 1024
MAX_ARCHIVE_BYTES = 64 * 1024**3
CHUNK_BYTES = 1024 * 1024
DEFAULT_PORT = {"http": 80, "https": 443}

Fetch = Callable[[], Iterable[bytes]]
"""The content of a file elsewhere, in chunks. Raises Unusable."""


def source_of(given: str, *, private: bool = False) -> Path | Source:
    """A path that exists, `s3://BUCKET/PREFIX`, or a text file of URLs, one a line.

    private: whether URLs may lead to addresses of this machine or its network. Raises
    click.BadParameter, saying what would do.
    """
    if given.startswith("s3://"):
        return _bucket(given)
    path = Path(given)
    if not path.exists():
        raise click.BadParameter(f"{given} is neither a path nor s3://BUCKET/PREFIX")
    if path.is_file() and path.suffix.lower() == ".txt":
        return Source(name=path.name, members=partial(_listed, path, private))
    return path


def _listed(path: Path, private: bool) -> Iterator[Member]:
    if path.stat().st_size > MAX_LIST_BYTES:
        raise click.BadParameter(f"{path} has more than {MAX_LIST_BYTES} bytes")
    lines = (line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    urls = list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    for url in urls:
        if not _is_web_address(url):
            raise click.BadParameter(f"{url!r} in {path.name} is no http or https URL")
    for name, url in _named(urls).items():
        yield _remote(name, partial(_from_web, url, private))


def _named(urls: list[str]) -> dict[str, str]:
    """URLs by the paths in them; by more of them where several have one path. What has no suffix is
    taken for a picture: content tells its format."""
    for name_of in (_path_of, _host_and_path_of, _all_of):
        named = {name_of(url): url for url in urls}
        if len(named) == len(urls):
            break
    return {name if PurePosixPath(name).suffix else f"{name}.jpg": named[name] for name in named}


def _path_of(url: str) -> str:
    return spelled(unquote(urlsplit(url).path)) or "picture"


def _host_and_path_of(url: str) -> str:
    return f"{urlsplit(url).hostname}/{_path_of(url)}"


def _all_of(url: str) -> str:
    """The query before the path, which ends in the suffix."""
    return f"{urlsplit(url).netloc}/{spelled(urlsplit(url).query)}/{_path_of(url)}"


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in DEFAULT_PORT and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _from_web(url: str, private: bool) -> Iterator[bytes]:
    hooks = {} if private else {"request": [_refuse_private]}
    try:
        with (
            httpx.Client(timeout=TIMEOUT_S, follow_redirects=True, event_hooks=hooks) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise Unusable(f"http_{answer.status_code}")
            yield from answer.iter_bytes(CHUNK_BYTES)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        raise Unusable("unreachable") from error


def _refuse_private(request: httpx.Request) -> None:
    """Raise Unusable for a host of this machine or its network; redirects pass here, too."""
    port = request.url.port or DEFAULT_PORT[request.url.scheme]
    for *_, address in socket.getaddrinfo(request.url.host, port, type=socket.SOCK_STREAM):
        if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_global:
            raise Unusable("private_address")


def _bucket(given: str) -> Source:
    """Objects below a prefix, with the endpoint and keys of the settings."""
    parts = urlsplit(given)
    if not parts.netloc:
        raise click.BadParameter(f"{given} names no bucket; s3://BUCKET/PREFIX would")
    prefix = given.removeprefix(f"s3://{parts.netloc}").lstrip("/")
    return Source(name=given, members=partial(_objects, parts.netloc, prefix))


def _objects(bucket: str, prefix: str) -> Iterator[Member]:
    """`people` means what lies in people/, not people-2/, unless there is no such folder."""
    from workers import app

    store = app.bucket(bucket)
    if prefix and next(iter(store.list_keys(f"{prefix}/")), None) is not None:
        prefix = f"{prefix}/"
    folder = prefix[: prefix.rfind("/") + 1]
    for key in store.list_keys(prefix):
        name = spelled(key.removeprefix(folder))
        if name and not key.endswith("/") and not is_clutter(name):
            yield _remote(name, partial(_from_bucket, store, key))


def _from_bucket(store: ObjectStore, key: str) -> Iterator[bytes]:
    try:
        yield from store.stream(key)
    except MatteForgeError as error:
        raise Unusable("unreachable") from error


def _remote(name: str, fetch: Fetch) -> Member:
    return Member(
        name=name, read=partial(_whole, fetch), on_disk=partial(_temporary_file, name, fetch)
    )


def _whole(fetch: Fetch) -> bytes:
    return b"".join(_bounded(fetch, MAX_FILE_BYTES))


@contextmanager
def _temporary_file(name: str, fetch: Fetch) -> Iterator[Path]:
    with TemporaryDirectory(prefix="matteforge-fetched-") as folder:
        path = Path(folder) / PurePosixPath(name).name
        with path.open("wb") as file:
            for chunk in _bounded(fetch, MAX_ARCHIVE_BYTES):
                file.write(chunk)
        yield path


def _bounded(fetch: Fetch, most: int) -> Iterator[bytes]:
    """Chunks up to `most` bytes. Raises Unusable beyond."""
    length = 0
    for chunk in fetch():
        length += len(chunk)
        if length > most:
            raise Unusable("too_large")
        yield chunk
