"""Batches by the client: what is sent, and a zip of results that arrives whole or not at all."""

import asyncio
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from matteforge import AsyncMatteForge, MatteForge, MatteForgeUnavailable
from matteforge.errors import LocalStorageError

IDENT = "mb_" + "0" * 24
BATCH = {
    "id": IDENT, "state": "queued", "created_at": "2026-01-01T00:00:00Z", "ended_at": None,
    "output": "alpha", "bundle": "sha256:" + "0" * 64, "prefix": None,
    "counts": {"total": None, "made": 0, "failed": 0}, "results": "s3://b/r/", "size_bytes": None,
    "notice": None, "error": None, "cancel_requested": False, "links": {},
}  # fmt: skip


class Results(BaseHTTPRequestHandler):
    """A store with one zip, one that breaks off, and nothing else."""

    def do_GET(self) -> None:
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Length", "100" if self.path == "/broken" else "3")
        self.end_headers()
        self.wfile.write(b"zip")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def store(serve_http: Callable[..., str]) -> str:
    return serve_http(Results)


def answering(*answers: httpx.Response, seen: list[httpx.Request]) -> httpx.MockTransport:
    left = list(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        request.read()
        seen.append(request)
        return left.pop(0)

    return httpx.MockTransport(handle)


def test_a_file_is_sent_whole_again_after_an_outage_with_the_same_key(tmp_path, monkeypatch):
    archive = tmp_path / "photos.zip"
    archive.write_bytes(b"PK-the-archive")
    seen: list[httpx.Request] = []
    transport = answering(httpx.Response(503), httpx.Response(202, json=BATCH), seen=seen)
    with MatteForge("http://forge", "mf_key", transport=transport) as client:
        client.transport.sleep = lambda seconds: None
        batch = client.matte_batches.order(archive, output="alpha", side=256)
    assert batch.id == IDENT
    assert len({request.headers["idempotency-key"] for request in seen}) == 1
    for request in seen:
        assert b"PK-the-archive" in request.content
        assert b'name="side"' in request.content


def test_how_far_bytes_are_is_told_both_ways(store, tmp_path):
    archive, told = tmp_path / "photos.zip", list[tuple[int, int]]()
    archive.write_bytes(bytes(100_000))
    moved = httpx.Response(302, headers={"Location": f"{store}/results"})
    transport = answering(httpx.Response(202, json=BATCH), moved, seen=[])
    with MatteForge("http://forge", "mf_key", transport=transport) as client:
        client.matte_batches.order(archive, on_bytes=lambda *at: told.append(at))
        assert told[-1] == (100_000, 100_000)
        assert told[0][0] < 100_000
        client.matte_batches.download(IDENT, archive, lambda *at: told.append(at))
    assert told[-1] == (3, 3)


def test_an_event_loop_sends_the_same(tmp_path):
    archive = tmp_path / "photos.zip"
    archive.write_bytes(b"PK-the-archive")
    seen: list[httpx.Request] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        await request.aread()
        seen.append(request)
        return httpx.Response(202, json=BATCH)

    async def order() -> str:
        transport = httpx.MockTransport(handle)
        async with AsyncMatteForge("http://forge", "mf_key", transport=transport) as client:
            return (await client.matte_batches.order(archive, output="alpha")).id

    assert asyncio.run(order()) == IDENT
    assert b"PK-the-archive" in seen[0].content


def test_both_clients_follow_a_batch_to_its_end():
    def frame(number: int, kind: str, state: str) -> str:
        data = json.dumps({**BATCH, "state": state})
        return f"id: {number}\nevent: {kind}\ndata: {data}\n\n"

    frames = frame(1, "snapshot", "queued") + frame(2, "state", "completed")
    asked = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, text=frames, headers={"content-type": "text/event-stream"})

    transport = httpx.MockTransport(handle)
    with MatteForge("http://forge", "mf_key", transport=transport) as client:
        kinds = [event["kind"] for event in client.matte_batches.events(IDENT)]

    async def follow() -> list[str]:
        async with AsyncMatteForge("http://forge", "mf_key", transport=transport) as client:
            return [event["kind"] async for event in client.matte_batches.events(IDENT)]

    assert kinds == asyncio.run(follow()) == ["snapshot", "state"]
    assert asked == [f"/v1/matte-batches/{IDENT}/events"] * 2


def download(url: str, path: Path) -> None:
    answer = httpx.Response(307, headers={"Location": url})
    transport = answering(answer, seen=[])
    with MatteForge("http://forge", "mf_key", transport=transport) as client:
        client.matte_batches.download(IDENT, path)


def test_results_arrive_whole_or_not_at_all(store, tmp_path):
    path = tmp_path / "results.zip"
    for url in (f"{store}/gone", f"{store}/broken"):
        with pytest.raises(MatteForgeUnavailable, match="the results could not be fetched"):
            download(url, path)
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(LocalStorageError, match="can't be written: No such file"):
        download(f"{store}/results.zip", tmp_path / "nowhere" / "results.zip")
    download(f"{store}/results.zip", path)
    assert path.read_bytes() == b"zip"
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.zip"]
