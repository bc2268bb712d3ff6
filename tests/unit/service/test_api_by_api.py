"""Shards and files through the API itself, for those who can't reach the store."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from core import keys
from core.datasets.manifest import ShardRecord
from matteforge.client import MatteForge
from service import object_response

BODY = bytes(range(256)) * 40
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def path(world: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A shard of a dataset, in chunks that are smaller than it is."""
    monkeypatch.setattr(object_response, "CHUNK_BYTES", 1000)
    services = world.http.app.state.services
    settings = services.settings.model_copy(update={"shards_by_api": True})
    object.__setattr__(services, "settings", settings)
    dataset_id = world.order()["id"]
    world.store.put(keys.shard_tar(dataset_id, 0), BODY)
    record = ShardRecord(
        shard=0, name="000000.tar", samples=10, attempted=10, rejected={}, size_bytes=len(BODY),
        sha256=SHA256,
    )  # fmt: skip
    world.catalog.put_shard_record(dataset_id, record)
    world.store.put(keys.companion(dataset_id, "README.md"), b"# card")
    return f"/v1/datasets/{dataset_id}"


def test_urls_lead_to_the_api_and_ask_for_the_key(world: Any, path: str) -> None:
    (shard,) = world.http.get(f"{path}/shards").json()["items"]
    assert shard["url"] == f"http://testserver{path}/shards/000000.tar"
    got = world.http.get(shard["url"])
    assert (got.content, got.headers["ETag"]) == (BODY, f'"{SHA256}"')
    assert got.headers["Content-Length"] == str(len(BODY))
    assert world.http.get(shard["url"], headers={"Authorization": ""}).status_code == 401
    (file,) = world.http.get(f"{path}/files").json()["items"]
    card = world.http.get(file["url"])
    assert (card.text, card.headers["content-type"].partition(";")[0]) == (
        "# card",
        "text/markdown",
    )


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-0", 206, slice(0, 1)),
        ("bytes=100-2599", 206, slice(100, 2600)),
        ("bytes=9000-", 206, slice(9000, None)),
        ("bytes=-10", 206, slice(-10, None)),
        ("bytes=-99999999", 206, slice(0, None)),
        ("bytes=10000-99999999", 206, slice(10000, None)),
        ("bytes=0-1,5-6", 200, slice(0, None)),
        ("lines=0-1", 200, slice(0, None)),
        ("bytes=-", 200, slice(0, None)),
        (f"bytes={len(BODY)}-", 416, slice(0, 0)),
        ("bytes=9-3", 416, slice(0, 0)),
    ],
)
def test_ranges(world: Any, path: str, asked: str, status: int, part: slice) -> None:
    got = world.http.get(f"{path}/shards/000000.tar", headers={"Range": asked})
    assert (got.status_code, got.content) == (status, BODY[part])
    if status == 206:
        start = range(len(BODY))[part].start
        end = start + len(got.content) - 1
        assert got.headers["Content-Range"] == f"bytes {start}-{end}/{len(BODY)}"
    if status == 416:
        assert got.headers["Content-Range"] == f"bytes */{len(BODY)}"


@pytest.mark.parametrize(("tag", "status"), [(f'"{SHA256}"', 206), ('"other"', 200)])
def test_a_range_of_another_version_is_the_whole(
    world: Any, path: str, tag: str, status: int
) -> None:
    headers = {"Range": "bytes=5-9", "If-Range": tag}
    got = world.http.get(f"{path}/shards/000000.tar", headers=headers)
    assert got.status_code == status
    same = world.http.get(f"{path}/shards/000000.tar", headers={"If-None-Match": tag})
    assert same.status_code == (304 if status == 206 else 200)


def test_by_default_the_store_sends_them(world: Any) -> None:
    dataset_id = world.order()["id"]
    world.commit(dataset_id, 0)
    answer = world.http.get(f"/v1/datasets/{dataset_id}/shards/000000.tar")
    assert answer.status_code == 307


def test_a_page_among_the_files_has_no_hand_on_the_console(world: Any, path: str) -> None:
    report = b"<script>fetch('/v1/keys')</script>"
    world.store.put(keys.companion(path.rpartition("/")[2], "report.html"), report)
    got = world.http.get(f"{path}/files/report.html")
    assert got.headers["Content-Type"].startswith("text/html")
    policy = got.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "sandbox"} <= set(policy)
    assert not [one for one in policy if one.startswith("script-src")]
    assert got.headers["X-Content-Type-Options"] == "nosniff"


def test_files_that_are_not_there_are_not_found(world: Any, path: str) -> None:
    assert world.http.get(f"{path}/files/report.html").status_code == 404
    assert world.http.get(f"{path}/files/other.html").status_code == 404


@pytest.fixture
def served(world: Any, path: str) -> Iterator[str]:
    """The same API behind a port."""
    app = world.http.app
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("name", ["shards/000000.tar", "files/README.md"])
def test_head_tells_the_size_and_reads_no_byte(
    world: Any, path: str, served: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, read = world.store.get_range, []

    def counted(*arguments: Any) -> bytes:
        read.append(body := real(*arguments))
        return body

    monkeypatch.setattr(world.store, "get_range", counted)
    with httpx.Client(base_url=served, headers=world.http.headers) as http:
        for client in (world.http, http):
            get = client.get(f"{path}/{name}")
            assert b"".join(read) == get.content
            read.clear()
            head = client.head(f"{path}/{name}")
            part = client.head(f"{path}/{name}", headers={"Range": "bytes=1-2"})
            assert (head.content, part.content, read) == (b"", b"", [])
            same = ("Content-Length", "Content-Type", "ETag", "Accept-Ranges")
            assert {n: head.headers[n] for n in same} == {n: get.headers[n] for n in same}
            assert (head.status_code, part.status_code) == (200, 206)
            assert part.headers["Content-Range"] == f"bytes 1-2/{len(get.content)}"


def test_the_client_downloads_and_goes_on(
    world: Any, path: str, served: str, tmp_path: Path
) -> None:
    dataset_id = path.rpartition("/")[2]
    folder = tmp_path / dataset_id
    with MatteForge(served, "mf_test") as client:
        assert client.shard_url(dataset_id, "000000.tar").startswith(f"{served}/v1/")
        client.download(dataset_id, tmp_path, partial=True)
        assert (folder / "000000.tar").read_bytes() == BODY
        (folder / "000000.tar").unlink()
        (folder / "000000.tar.part").write_bytes(BODY[:3000])
        world.end(dataset_id)
        client.download(dataset_id, tmp_path)
        assert (folder / "000000.tar").read_bytes() == BODY
        assert (folder / "README.md").read_bytes() == b"# card"
