"""client.download against a small file server that can be told to misbehave."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.datasets.dataset import DatasetView, utcnow
from matteforge import DownloadCorrupt, MatteForge, MatteForgeUnavailable, Progress
from matteforge.errors import MatteForgeRequestError
from matteforge.schemas.datasets import Counts, DatasetOut, DatasetState, ShardOut, ShardPage
from matteforge.schemas.orders import DatasetSpec
from service.wire import dataset_out

IDENT = "ds_" + "0" * 24


@dataclass
class Forge:
    """A service and a store in one HTTP server."""

    files: dict[str, bytes]
    state: DatasetState = DatasetState.COMPLETED
    ranges: bool = True
    cut_after: int | None = None  # bytes per answer
    rotten: dict[str, int] = field(
        default_factory=dict
    )  # name -> how many answers have a wrong byte
    missing: set[str] = field(default_factory=set)
    token: str = "fresh"  # what a valid presigned URL carries
    listed_token: str = "fresh"
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    leaked: bool = False
    url: str = ""

    def dataset(self) -> DatasetOut:
        now = utcnow()
        view = DatasetView(
            id=IDENT,
            state=self.state,
            spec=DatasetSpec(count=1, seed=1),
            bundle="sha256:" + "0" * 64,
            counts=Counts(requested=1, shards_total=len(self.files)),
            timestamps={DatasetState.QUEUED: now, self.state: now},
        )
        return dataset_out(view, now)

    def page(self) -> ShardPage:
        items = [
            ShardOut(
                name=name,
                samples=1,
                size_bytes=len(body),
                sha256=hashlib.sha256(body).hexdigest(),
                url=f"{self.url}/store/{name}?token={self.listed_token}",
            )
            for name, body in sorted(self.files.items())
        ]
        return ShardPage(items=items, next_cursor=None)


class Handler(BaseHTTPRequestHandler):
    forge: Forge
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path.startswith("/store/"):
            self.store(path.removeprefix("/store/"), query)
        elif path == f"/v1/datasets/{IDENT}":
            self.send(200, self.forge.dataset().model_dump_json().encode())
        elif path.endswith("/shards"):
            self.send(200, self.forge.page().model_dump_json().encode())
        elif path.endswith("/manifest"):
            self.send(200, b'{"manifest": true}')
        else:
            name = path.rsplit("/", 1)[1]
            self.send(307, b"", Location=f"{self.forge.url}/store/{name}?token={self.forge.token}")

    def store(self, name: str, query: str) -> None:
        forge, wanted = self.forge, self.headers.get("Range")
        forge.asked.append((name, wanted))
        forge.leaked |= "Authorization" in self.headers
        if query != f"token={forge.token}":
            self.send(403, b"expired")
            return
        if name in forge.missing:
            self.send(404, b"gone")
            return
        body = forge.files[name]
        if forge.rotten.get(name, 0) > 0:
            forge.rotten[name] -= 1
            body = bytes([body[0] ^ 1]) + body[1:]
        start = (
            int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and forge.ranges else 0
        )
        headers = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
        self.send(206 if start else 200, body[start:], cut=forge.cut_after, **headers)

    def send(self, status: int, body: bytes, cut: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None and cut < len(body):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@pytest.fixture
def forge() -> Iterator[Forge]:
    made = Forge({f"{i:06d}.tar": bytes([i]) * (100_000 + i) for i in range(5)})
    handler = type("BoundHandler", (Handler,), {"forge": made})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client(forge: Forge) -> Iterator[MatteForge]:
    with MatteForge(forge.url, "mf_key") as made:
        made.transport.sleep = lambda seconds: None
        yield made


def test_all_shards_and_the_manifest_arrive(forge, client, tmp_path):
    told: list[Progress] = []
    paths = client.download(IDENT, tmp_path / "out", on_progress=told.append)
    assert [path.name for path in paths] == sorted(forge.files)
    assert {path.name: path.read_bytes() for path in paths} == forge.files
    assert (tmp_path / "out" / "manifest.json").read_bytes() == b'{"manifest": true}'
    assert not list((tmp_path / "out").glob("*.part"))
    total = sum(map(len, forge.files.values()))
    assert told[-1] == Progress(shards_done=5, shards_total=5, bytes_done=total, bytes_total=total)
    assert not forge.leaked, "the API key went to the store"


def test_what_is_there_is_not_fetched_again(forge, client, tmp_path):
    client.download(IDENT, tmp_path)
    forge.asked.clear()
    (tmp_path / "000002.tar").write_bytes(b"damaged on disk")
    client.download(IDENT, tmp_path)
    assert forge.asked == [("000002.tar", None)]
    assert (tmp_path / "000002.tar").read_bytes() == forge.files["000002.tar"]


def test_a_cut_connection_is_resumed(forge, client, tmp_path):
    forge.cut_after = 40_000
    client.download(IDENT, tmp_path, workers=1)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.tar")} == forge.files
    wanted = [wanted for name, wanted in forge.asked if name == "000000.tar"]
    assert wanted[0] is None
    assert len(wanted) > 1
    assert all(again is not None and int(again[6:-1]) > 0 for again in wanted[1:])


def test_an_interrupted_download_goes_on_from_its_part(forge, client, tmp_path):
    (tmp_path / "000001.tar.part").write_bytes(forge.files["000001.tar"][:70_000])
    client.download(IDENT, tmp_path)
    assert ("000001.tar", "bytes=70000-") in forge.asked
    assert (tmp_path / "000001.tar").read_bytes() == forge.files["000001.tar"]


def test_a_store_without_ranges_starts_over(forge, client, tmp_path):
    forge.ranges = False
    (tmp_path / "000001.tar.part").write_bytes(b"x" * 70_000)
    client.download(IDENT, tmp_path)
    assert (tmp_path / "000001.tar").read_bytes() == forge.files["000001.tar"]


def test_a_part_of_something_else_is_found_out(forge, client, tmp_path):
    (tmp_path / "000001.tar.part").write_bytes(b"x" * 70_000)
    (tmp_path / "000002.tar.part").write_bytes(b"x" * 200_000)
    client.download(IDENT, tmp_path)
    for name in ("000001.tar", "000002.tar"):
        assert (tmp_path / name).read_bytes() == forge.files[name]


def test_wrong_bytes_are_fetched_once_more(forge, client, tmp_path):
    forge.rotten["000003.tar"] = 1
    client.download(IDENT, tmp_path)
    assert (tmp_path / "000003.tar").read_bytes() == forge.files["000003.tar"]


def test_wrong_bytes_twice_are_an_error_and_leave_no_file(forge, client, tmp_path):
    forge.rotten["000003.tar"] = 9
    with pytest.raises(DownloadCorrupt, match=r"000003\.tar"):
        client.download(IDENT, tmp_path)
    assert not (tmp_path / "000003.tar").exists()
    assert not (tmp_path / "000003.tar.part").exists()
    assert not (tmp_path / "manifest.json").exists()


def test_expired_urls_are_renewed(forge, client, tmp_path):
    forge.listed_token = "old"
    client.download(IDENT, tmp_path)
    assert len(list(tmp_path.glob("*.tar"))) == 5


def test_a_store_that_never_lets_us_in_ends_it(forge, client, tmp_path, monkeypatch):
    forge.listed_token = "old"
    monkeypatch.setattr(
        client, "shard_url", lambda dataset_id, name: f"{forge.url}/store/{name}?token=old"
    )
    with pytest.raises(MatteForgeUnavailable):
        client.download(IDENT, tmp_path)


def test_a_shard_that_vanished_is_a_refusal(forge, client, tmp_path):
    forge.missing.add("000000.tar")
    with pytest.raises(MatteForgeRequestError, match="404"):
        client.download(IDENT, tmp_path)


def test_a_running_dataset_has_no_manifest_yet(forge, client, tmp_path):
    forge.state = DatasetState.RUNNING
    assert len(client.download(IDENT, tmp_path)) == 5
    assert not (tmp_path / "manifest.json").exists()


def test_nothing_committed_is_nothing_to_fetch(forge, client, tmp_path: Path):
    forge.files.clear()
    assert client.download(IDENT, tmp_path / "new") == []
