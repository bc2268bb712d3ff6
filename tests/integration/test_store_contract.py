"""Every object store behaves alike: in memory and on a real S3."""

import hashlib
import secrets
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.adapters.memory import MemoryStore
from core.adapters.s3 import S3Store
from core.errors import NotFound, PreconditionFailed, StoreUnavailable, StoreUnfit
from core.ports import ObjectStore
from deploy.local.ports import free_ports


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    return MemoryStore() if request.param == "memory" else request.getfixturevalue("s3_store")


def test_an_object_comes_back_as_it_was_put(store: ObjectStore) -> None:
    etag = store.put("a/b.json", b"{}", content_type="application/json", metadata={"Sha256": "ab", "head": '{"n": 1}'})
    body, info = store.get("a/b.json")
    assert body == b"{}"
    assert info == store.head("a/b.json")
    assert (info.key, info.size_bytes, info.etag) == ("a/b.json", 2, etag)
    assert info.metadata == {"sha256": "ab", "head": '{"n": 1}'}


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.put("empty", b"")
    assert store.get("empty")[0] == b""
    assert b"".join(store.stream("empty")) == b""


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


def test_urls_are_signed_for_the_public_endpoint(s3: object) -> None:
    store = s3.open("bucket", public_endpoint_url="https://data.example.org")  # type: ignore[attr-defined]
    assert urlsplit(store.presign_get("a/b", expires_s=60))[:3] == ("https", "data.example.org", "/bucket/a/b")
    store.close()


def test_a_store_that_ignores_if_none_match_is_refused(s3_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put_object = s3_store._client.put_object
    monkeypatch.setattr(s3_store._client, "put_object", lambda IfNoneMatch=None, **arguments: put_object(**arguments))
    with pytest.raises(StoreUnfit):
        s3_store.probe()
    assert list(s3_store.list_keys("")) == []


def test_wrong_credentials_and_silence_are_unavailability(s3: object, s3_store: S3Store) -> None:
    settings = {"bucket": "bucket", "access_key": "no", "secret_key": "no", "attempts": 2}
    for url in (s3.url, f"http://127.0.0.1:{free_ports(1)[0]}"):  # type: ignore[attr-defined]
        store = S3Store(endpoint_url=url, **settings)
        for call in (
            store.probe,
            lambda store=store: store.get("a"),
            lambda store=store: store.head("a"),
            lambda store=store: store.put("a", b""),
            lambda store=store: list(store.list_keys("")),
        ):
            with pytest.raises(StoreUnavailable):
                call()
        store.close()


def test_a_missing_bucket_is_no_success(s3: object) -> None:
    store = s3.open("never-made")  # type: ignore[attr-defined]
    with pytest.raises(NotFound):
        store.get("a")
    store.close()
