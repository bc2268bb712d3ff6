"""client.download against a small file server that can be told to misbehave."""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from core.datasets.dataset import DatasetView, utcnow
from matteforge import DownloadCorrupt, MatteForge, MatteForgeUnavailable, Progress
from matteforge.errors import (
    DatasetIncomplete,
    FolderTaken,
    LocalStorageError,
    MatteForgeRequestError,
)
from matteforge.folder import dataset_folder
from matteforge.schemas.datasets import Counts, DatasetOut, DatasetState, ShardOut, ShardPage
from matteforge.schemas.orders import DatasetSpec
from service.wire import dataset_out

IDENT = "ds_" + "0" * 24


@dataclass
class Forge:
    """A service and a store in one HTTP server."""

    files: dict[str, bytes]
    state: DatasetState = DatasetState.COMPLETED
    damaged: bool = False
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
    beside: dict[str, bytes] = field(default_factory=lambda: {"README.md": b"# card"})

    def dataset(self) -> DatasetOut:
        now = utcnow()
        view = DatasetView(
            id=IDENT,
            state=self.state,
            spec=DatasetSpec(count=1, seed=1),
            bundle="sha256:" + "0" * 64,
            counts=Counts(requested=1, shards_total=len(self.files)),
            timestamps={DatasetState.QUEUED: now, self.state: now},
            damaged=self.damaged,
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

    def listing(self) -> bytes:
        items = [
            {"name": name, "size_bytes": len(body), "url": f"{self.url}/store/{name}?token=fresh"}
            for name, body in self.beside.items()
        ]
        return json.dumps({"items": items}).encode()


class Handler(BaseHTTPRequestHandler):
    forge: Forge
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path.startswith("/store/"):
            self.store(path.removeprefix("/store/"), query)
        elif path == f"/v1/datasets/{IDENT}":
            self.send(200, self.forge.dataset().model_dump_json().encode())
        elif path.endswith("/files"):
            self.send(200, self.forge.listing())
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
        body = (forge.files | forge.beside)[name]
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
def forge(serve_http: Callable[..., str]) -> Forge:
    made = Forge({f"{i:06d}.tar": bytes([i]) * (100_000 + i) for i in range(5)})
    handler = type("BoundHandler", (Handler,), {"forge": made})
    made.url = serve_http(handler)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The dataset's own folder, as an earlier download left it."""
    return dataset_folder(tmp_path, IDENT)


@pytest.fixture
def client(forge: Forge) -> Iterator[MatteForge]:
    with MatteForge(forge.url, "mf_key") as made:
        made.transport.sleep = lambda seconds: None
        yield made


def test_all_shards_and_the_manifest_arrive(forge, client, tmp_path, folder):
    told: list[Progress] = []
    paths = client.download(IDENT, tmp_path / "out", on_progress=told.append)
    assert [path.name for path in paths] == sorted(forge.files)
    assert {path.name: path.read_bytes() for path in paths} == forge.files
    assert (tmp_path / "out" / IDENT / "manifest.json").read_bytes() == b'{"manifest": true}'
    assert not list((tmp_path / "out" / IDENT).glob("*.part"))
    total = sum(map(len, forge.files.values()))
    assert told[-1] == Progress(shards_done=5, shards_total=5, bytes_done=total, bytes_total=total)
    assert not forge.leaked, "the API key went to the store"


def test_what_is_there_is_not_fetched_again(forge, client, tmp_path, folder):
    client.download(IDENT, tmp_path)
    forge.asked.clear()
    (folder / "000002.tar").write_bytes(b"damaged on disk")
    client.download(IDENT, tmp_path)
    assert forge.asked == [("000002.tar", None), ("README.md", None)]
    assert (folder / "000002.tar").read_bytes() == forge.files["000002.tar"]


def test_a_cut_connection_is_resumed(forge, client, tmp_path, folder):
    forge.cut_after = 40_000
    client.download(IDENT, tmp_path, workers=1)
    assert {path.name: path.read_bytes() for path in folder.glob("*.tar")} == forge.files
    wanted = [wanted for name, wanted in forge.asked if name == "000000.tar"]
    assert wanted[0] is None
    assert len(wanted) > 1
    assert all(again is not None and int(again[6:-1]) > 0 for again in wanted[1:])


def test_an_interrupted_download_goes_on_from_its_part(forge, client, tmp_path, folder):
    (folder / "000001.tar.part").write_bytes(forge.files["000001.tar"][:70_000])
    client.download(IDENT, tmp_path)
    assert ("000001.tar", "bytes=70000-") in forge.asked
    assert (folder / "000001.tar").read_bytes() == forge.files["000001.tar"]


def test_a_store_without_ranges_starts_over(forge, client, tmp_path, folder):
    forge.ranges = False
    (folder / "000001.tar.part").write_bytes(b"x" * 70_000)
    client.download(IDENT, tmp_path)
    assert (folder / "000001.tar").read_bytes() == forge.files["000001.tar"]


def test_a_part_of_something_else_is_found_out(forge, client, tmp_path, folder):
    (folder / "000001.tar.part").write_bytes(b"x" * 70_000)
    (folder / "000002.tar.part").write_bytes(b"x" * 200_000)
    client.download(IDENT, tmp_path)
    for name in ("000001.tar", "000002.tar"):
        assert (folder / name).read_bytes() == forge.files[name]


def test_wrong_bytes_are_fetched_once_more(forge, client, tmp_path, folder):
    forge.rotten["000003.tar"] = 1
    client.download(IDENT, tmp_path)
    assert (folder / "000003.tar").read_bytes() == forge.files["000003.tar"]


def test_wrong_bytes_twice_are_an_error_and_leave_no_file(forge, client, tmp_path, folder):
    forge.rotten["000003.tar"] = 9
    with pytest.raises(DownloadCorrupt, match=r"000003\.tar"):
        client.download(IDENT, tmp_path)
    assert not (folder / "000003.tar").exists()
    assert not (folder / "000003.tar.part").exists()
    assert not (folder / "manifest.json").exists()


def test_expired_urls_are_renewed(forge, client, tmp_path, folder):
    forge.listed_token = "old"
    client.download(IDENT, tmp_path)
    assert len(list(folder.glob("*.tar"))) == 5


def test_a_store_that_never_lets_us_in_ends_it(forge, client, tmp_path, folder, monkeypatch):
    forge.listed_token = "old"
    monkeypatch.setattr(
        client, "shard_url", lambda dataset_id, name: f"{forge.url}/store/{name}?token=old"
    )
    with pytest.raises(MatteForgeUnavailable):
        client.download(IDENT, tmp_path)


def test_a_shard_that_vanished_is_a_refusal(forge, client, tmp_path, folder):
    forge.missing.add("000000.tar")
    with pytest.raises(MatteForgeRequestError, match="404"):
        client.download(IDENT, tmp_path)


def test_a_running_dataset_has_no_manifest_yet(forge, client, tmp_path, folder):
    forge.state = DatasetState.RUNNING
    assert len(client.download(IDENT, tmp_path, partial=True)) == 5
    assert not (folder / "manifest.json").exists()


def test_nothing_committed_is_nothing_to_fetch(forge, client, tmp_path, folder):
    forge.files.clear()
    assert client.download(IDENT, tmp_path / "new") == []


def test_the_folder_is_the_dataset_s_own(forge, client, tmp_path):
    (tmp_path / "000000.tar").write_bytes(b"of another dataset")
    (tmp_path / "manifest.json").write_bytes(b"of another dataset")
    paths = client.download(IDENT, tmp_path)
    assert {path.parent for path in paths} == {tmp_path / IDENT}
    for name in ("000000.tar", "manifest.json"):
        assert (tmp_path / name).read_bytes() == b"of another dataset"
    assert (tmp_path / IDENT / "README.md").read_bytes() == b"# card"
    marker = json.loads((tmp_path / IDENT / ".matteforge.json").read_bytes())
    assert marker == {"dataset": IDENT, "state": "completed"}


@pytest.mark.parametrize("name", ["photo.jpg", ".matteforge.json"])
def test_what_is_no_download_of_it_is_not_touched(forge, client, tmp_path, name):
    (tmp_path / IDENT).mkdir()
    (tmp_path / IDENT / name).write_text('{"dataset": "ds_other"}')
    with pytest.raises(FolderTaken, match=IDENT):
        client.download(IDENT, tmp_path)
    assert [path.name for path in (tmp_path / IDENT).iterdir()] == [name]
    assert forge.asked == []


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (DatasetState.FAILED, "failed"),
        (DatasetState.CANCELLED, "was cancelled"),
        (DatasetState.RUNNING, "is still running"),
        (DatasetState.QUEUED, "is still queued"),
    ],
)
def test_what_is_not_complete_says_so(forge, client, tmp_path, state, said):
    forge.state = state
    with pytest.raises(DatasetIncomplete, match=rf"{said}.*--partial"):
        client.download(IDENT, tmp_path)
    assert not list(tmp_path.iterdir())
    assert len(client.download(IDENT, tmp_path, partial=True)) == 5


def test_one_split_alone(forge, client, tmp_path):
    forge.files = {"train-000000.tar": b"a", "test-000001.tar": b"b"}
    assert [p.name for p in client.download(IDENT, tmp_path, split="test")] == ["test-000001.tar"]
    assert forge.asked[0] == ("test-000001.tar", None)


def test_a_full_disk_is_one_line_and_the_part_stays(forge, client, tmp_path, monkeypatch):
    def full(self, got, file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("matteforge.download._Fetch._write", full)
    with pytest.raises(LocalStorageError, match=r"No space left on device; what has arrived stays"):
        client.download(IDENT, tmp_path)
    assert list((tmp_path / IDENT).glob("*.part"))
    monkeypatch.undo()
    client.transport.sleep = lambda seconds: None
    paths = client.download(IDENT, tmp_path)
    assert {path.name: path.read_bytes() for path in paths} == forge.files


def test_a_damaged_dataset_says_so_and_gives_what_is_whole(forge, client, tmp_path):
    forge.damaged = True
    with pytest.raises(DatasetIncomplete, match=r"is damaged.*fsck --repair.*--partial"):
        client.download(IDENT, tmp_path)
    assert not list(tmp_path.iterdir())
    names = sorted(forge.files)
    forge.missing = {names[1]}
    forge.rotten = {names[3]: 9}
    found = [path.name for path in client.download(IDENT, tmp_path, partial=True)]
    assert found == [names[0], names[2], names[4]]
