"""Every object store behaves alike: in memory and on a real S3."""

import hashlib
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.adapters.memory import MemoryStore
from core.adapters.s3 import S3Store
from core.errors import NotFound, PreconditionFailed, StoreRefused, StoreUnavailable, StoreUnfit
from core.ports import ObjectStore
from deploy.local.ports import free_ports

Call = Callable[[S3Store], object]


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    return MemoryStore() if request.param == "memory" else request.getfixturevalue("s3_store")


def test_an_object_comes_back_as_it_was_put(store: ObjectStore) -> None:
    etag = store.put(
        "a/b.json",
        b"{}",
        content_type="application/json",
        metadata={"Sha256": "ab", "head": '{"n": 1}'},
    )
    body, info = store.get("a/b.json")
    assert body == b"{}"
    assert info == store.head("a/b.json")
    assert (info.key, info.size_bytes, info.etag) == ("a/b.json", 2, etag)
    assert info.metadata == {"sha256": "ab", "head": '{"n": 1}'}


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.put("empty", b"")
    assert store.get("empty")[0] == b""
    assert b"".join(store.stream("empty")) == b""


def test_a_range_is_part_of_an_object(store: ObjectStore) -> None:
    store.put("abc", b"0123456789")
    assert store.get_range("abc", 0, 1) == b"0"
    assert store.get_range("abc", 3, 4) == b"3456"
    assert store.get_range("abc", 8, 100) == b"89"
    with pytest.raises(NotFound):
        store.get_range("nothing", 0, 1)


def test_what_is_missing_is_not_found(store: ObjectStore) -> None:
    assert store.head("nothing") is None
    with pytest.raises(NotFound):
        store.get("nothing")
    with pytest.raises(NotFound):
        next(store.stream("nothing"))
    store.delete("nothing")


def test_if_none_match_writes_once(store: ObjectStore) -> None:
    store.put("once", b"first", if_none_match=True)
    with pytest.raises(PreconditionFailed):
        store.put("once", b"second", if_none_match=True)
    assert store.get("once")[0] == b"first"
    store.delete("once")
    store.put("once", b"third", if_none_match=True)
    assert store.get("once")[0] == b"third"


def test_one_writer_wins_a_race(store: ObjectStore) -> None:
    def write(number: int) -> int | None:
        try:
            store.put("race", str(number).encode(), if_none_match=True)
        except PreconditionFailed:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(write, range(16)) if number is not None]
    assert [str(number).encode() for number in winners] == [store.get("race")[0]]


def test_if_match_writes_over_what_was_read_only(store: ObjectStore) -> None:
    first = store.put("alias", b"1")
    second = store.put("alias", b"2", if_match=first)
    with pytest.raises(PreconditionFailed):
        store.put("alias", b"3", if_match=first)
    assert store.get("alias")[0] == b"2"
    store.delete("alias")
    with pytest.raises(PreconditionFailed):
        store.put("alias", b"3", if_match=second)


def test_a_file_comes_back_as_it_was_uploaded(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "tar"
    path.write_bytes(secrets.token_bytes(3 << 20))
    store.upload("shards/000000.tar", path, metadata={"sha256": "ab"}, if_none_match=True)
    assert b"".join(store.stream("shards/000000.tar", chunk_bytes=1 << 16)) == path.read_bytes()
    info = store.head("shards/000000.tar")
    assert info is not None
    assert info.size_bytes == 3 << 20
    assert info.metadata == {"sha256": "ab"}
    with pytest.raises(PreconditionFailed):
        store.upload("shards/000000.tar", path, if_none_match=True)
    store.upload("shards/000000.tar", path)


def test_keys_are_listed_in_order(store: ObjectStore) -> None:
    names = [f"{number:06d}.{ending}" for number in range(12) for ending in ("json", "tar")]
    for name in reversed(names):
        store.put(f"datasets/a/shards/{name}", b"x")
    store.put("datasets/a/request.json", b"x")
    store.put("datasets/ab/shards/000000.tar", b"x")
    listed = list(store.list_keys("datasets/a/shards/"))
    assert listed == [f"datasets/a/shards/{name}" for name in names]
    assert list(store.list_keys("datasets/a/shards/", start_after=listed[4])) == listed[5:]
    assert (
        list(store.list_keys("datasets/a/shards/", start_after=listed[4], page_size=3))
        == listed[5:]
    )
    assert list(store.list_keys("datasets/a/shards/", start_after=listed[-1])) == []
    assert list(store.list_keys("nowhere/")) == []
    assert len(list(store.list_keys("datasets/"))) == 26


def test_more_keys_than_a_page_are_listed(store: ObjectStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.put(f"many/{number:06d}", b""), range(1010)))
    assert list(store.list_keys("many/")) == [f"many/{number:06d}" for number in range(1010)]


def test_folders_are_listed_in_order(store: ObjectStore) -> None:
    for name in ("ds_b", "ds_a", "ds_c"):
        store.put(f"datasets/{name}/request.json", b"x")
        store.put(f"datasets/{name}/shards/000000.tar", b"x")
    store.put("datasets/stray.json", b"x")
    assert list(store.list_folders("datasets/")) == ["ds_a", "ds_b", "ds_c"]
    assert list(store.list_folders("nowhere/")) == []


def test_names_are_listed_without_what_lies_in_folders(store: ObjectStore) -> None:
    for key in (
        "datasets/b/z.json",
        "datasets/b/a.json",
        "datasets/b/shards/0.json",
        "datasets/bc/other.json",
    ):
        store.put(key, b"x")
    assert list(store.list_names("datasets/b/")) == ["a.json", "z.json"]
    store.delete("datasets/b/a.json")
    assert list(store.list_names("datasets/b/")) == ["z.json"]
    assert list(store.list_names("datasets/nowhere/")) == []


def test_names_are_listed_with_the_etags_that_get_tells(store: ObjectStore) -> None:
    etag = store.put("keys/a.json", b"one")
    assert list(store.list_etags("keys/")) == [("a.json", etag)]
    changed = store.put("keys/a.json", b"two", if_match=etag)
    assert list(store.list_etags("keys/")) == [("a.json", changed)]
    assert store.get("keys/a.json")[1].etag == changed != etag


def test_probe_leaves_nothing(store: ObjectStore) -> None:
    store.probe()
    store.probe()
    assert list(store.list_keys("")) == []


@pytest.fixture
def parts_store(s3_store: S3Store, s3: object) -> S3Store:
    s3_store._part_size_bytes = 5 << 20
    return s3_store


def test_a_large_file_goes_up_in_parts(parts_store: S3Store, tmp_path: Path) -> None:
    path = tmp_path / "large.tar"
    path.write_bytes(secrets.token_bytes(11 << 20))
    parts_store.upload("large", path, metadata={"sha256": "ab"}, if_none_match=True)
    received = hashlib.sha256(b"".join(parts_store.stream("large"))).hexdigest()
    assert received == hashlib.sha256(path.read_bytes()).hexdigest()
    info = parts_store.head("large")
    assert info is not None
    assert info.metadata == {"sha256": "ab"}
    assert info.etag.endswith('-3"')
    with pytest.raises(PreconditionFailed):
        parts_store.upload("large", path, if_none_match=True)
    assert _unfinished(parts_store) == []


def test_an_interrupted_upload_is_aborted(
    parts_store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.tar"
    path.write_bytes(bytes(11 << 20))
    upload_part = parts_store._client.upload_part

    def interrupted(**arguments: object) -> object:
        if arguments["PartNumber"] == 2:
            raise KeyboardInterrupt
        return upload_part(**arguments)

    monkeypatch.setattr(parts_store._client, "upload_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        parts_store.upload("large", path)
    assert parts_store.head("large") is None
    assert _unfinished(parts_store) == []


def _unfinished(store: S3Store) -> list[object]:
    return list(store._client.list_multipart_uploads(Bucket=store._bucket).get("Uploads", []))


def test_a_presigned_url_opens_one_object_for_a_while(s3_store: S3Store) -> None:
    s3_store.put("public", b"0123456789")
    url = s3_store.presign_get("public", expires_s=60)
    request = urllib.request.Request(url, headers={"Range": "bytes=2-4"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert (answer.status, answer.read()) == (206, b"234")
    other = url.replace("/public?", "/private?")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(other, timeout=5)
    refused.value.close()
    assert refused.value.code == 403


def test_a_url_is_signed_as_boto3_signs_it(
    s3_store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: now)
    key = "datasets/ds_a/shards/000001 ü+.tar"
    target = {"Bucket": s3_store._bucket, "Key": key}
    expected = s3_store._public.generate_presigned_url("get_object", Params=target, ExpiresIn=60)
    assert s3_store.presign_get(key, expires_s=60) == expected


@pytest.mark.parametrize(("path", "before"), [("", ""), ("/", ""), ("/s3", "/s3"), ("/s3/", "/s3")])
def test_urls_are_signed_for_the_public_endpoint(s3: object, path: str, before: str) -> None:
    store = s3.open("bucket", public_endpoint_url=f"https://data.example.org{path}")  # type: ignore[attr-defined]
    url = store.presign_get("a/b", expires_s=60)
    assert urlsplit(url)[:3] == ("https", "data.example.org", f"{before}/bucket/a/b")
    store.close()


def test_a_store_that_ignores_if_none_match_is_refused(
    s3_store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_object = s3_store._client.put_object
    monkeypatch.setattr(
        s3_store._client,
        "put_object",
        lambda IfNoneMatch=None, **arguments: put_object(**arguments),
    )
    with pytest.raises(StoreUnfit):
        s3_store.probe()
    assert list(s3_store.list_keys("")) == []


CALLS = {
    "probe": lambda store: store.probe(),
    "get": lambda store: store.get("a"),
    "head": lambda store: store.head("a"),
    "put": lambda store: store.put("a", b""),
    "delete": lambda store: store.delete("a"),
    "stream": lambda store: store.stream("a"),
    "list": lambda store: list(store.list_keys("")),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_silence_is_unavailability(call: Call) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with opened(url) as store, pytest.raises(StoreUnavailable):
        call(store)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("wrong", ["access_key", "secret_key"])
def test_wrong_credentials_are_refused_not_retried(
    s3: Any, s3_store: S3Store, call: Call, wrong: str
) -> None:
    credentials = {"access_key": s3.access_key, "secret_key": s3.secret_key, wrong: "wrong"}
    store = S3Store(endpoint_url=s3.url, bucket=s3_store._bucket, **credentials)
    with closing(store), pytest.raises(StoreRefused, match="credentials"):
        call(store)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("status", "code", "error", "requests"),
    [
        (403, "AccessDenied", StoreRefused, 1),
        (401, "Unauthorized", StoreRefused, 1),
        (503, "SlowDown", StoreUnavailable, 2),
        (500, "InternalError", StoreUnavailable, 2),
    ],
)
def test_a_refusal_is_told_from_overload(
    call: Call, status: int, code: str, error: type, requests: int
) -> None:
    with (
        answering(status, code) as (url, asked),
        opened(url) as store,
        pytest.raises(error, match=f"{code}|{status}"),
    ):
        call(store)
    assert len(asked) == requests


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidToken", "AuthorizationHeaderMalformed"])
def test_credentials_that_are_refused_with_400(code: str) -> None:
    with (
        answering(400, code) as (url, _),
        opened(url) as store,
        pytest.raises(StoreRefused, match=code),
    ):
        store.get("a")


def test_no_credentials_at_all_are_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    store = S3Store(endpoint_url="http://127.0.0.1:9", bucket="b", access_key="", secret_key="")
    with closing(store), pytest.raises(StoreRefused, match="no credentials"):
        store.get("a")


def opened(url: str) -> closing[S3Store]:
    return closing(
        S3Store(endpoint_url=url, bucket="b", access_key="a", secret_key="s", attempts=2)
    )


@contextmanager
def answering(status: int, code: str) -> Iterator[tuple[str, list[str]]]:
    """A server that answers every request alike: its URL, and the methods it was asked with."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            asked.append(self.command)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b"" if self.command == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_DELETE = answer

        def log_message(self, *args: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_missing_bucket_is_no_success(s3: object) -> None:
    store = s3.open("never-made")  # type: ignore[attr-defined]
    with pytest.raises(NotFound):
        store.get("a")
    store.close()
