"""`corpora add --dry-run`, and pictures behind a list of URLs."""

import http.server
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from matteforge.schemas.corpora import CorpusKind
from models.corpora.members import Unusable
from models.corpora.reader import read_checked
from workers.commands import sources
from workers.commands.corpora import corpora


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    alpha = np.zeros((40, 30), np.uint8)
    alpha[10:30, 10:20] = 255
    for name in ("image", "alpha"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for key in ("a", "b"):
        pixels = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"data/image/{key}.png")
        Image.fromarray(alpha).save(tmp_path / f"data/alpha/{key}.png")
    (tmp_path / "data/image/c.heic").write_bytes(b"x")
    (tmp_path / "data/alpha/d.png").write_bytes(b"x")
    return tmp_path / "data"


def test_a_dry_run_says_what_would_be_paired_and_stores_nothing(folder, tmp_path):
    sheet = tmp_path / "out/sheet.png"
    result = CliRunner().invoke(
        corpora, ["add", "people", str(folder), "--dry-run", "--sheet", str(sheet)]
    )
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[:2] == [
        "image/a.png + alpha/a.png: 30 x 40",
        "image/b.png + alpha/b.png: 30 x 40",
    ]
    assert "left out, unsupported .heic: 1: image/c.heic" in lines
    assert "left out, no_image: 1: alpha/d.png" in lines
    assert "2 usable pairs, 2 left out; nothing was stored" in lines
    pixels = np.asarray(Image.open(sheet))
    assert pixels.shape[1] > 2 * 3 * 160, "two samples of three tiles"


def test_a_licence_is_needed_to_store(folder):
    result = CliRunner().invoke(corpora, ["add", "people", str(folder)])
    assert result.exit_code == 2
    assert "--licence is needed" in result.output


def test_what_is_no_source_is_told(tmp_path):
    (tmp_path / "list.txt").write_text("ftp://127.0.0.1/a.png\n")
    for given, message in (
        ("nowhere", "neither a path nor s3://BUCKET/PREFIX"),
        ("s3:///x", "names no bucket"),
        (str(tmp_path / "list.txt"), "no http or https URL"),
    ):
        result = CliRunner().invoke(corpora, ["add", "x", given, "--dry-run"])
        assert result.exit_code == 2
        assert message in " ".join(result.output.split())


@pytest.fixture
def served(folder: Path, serve_http: Callable[..., str]) -> str:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *args: object) -> None:
            pass

    return serve_http(Quiet)


def test_a_list_of_urls_is_read_with_bounded_sizes(served, tmp_path, monkeypatch):
    lines = ["# people", f"{served}/image/a.png", f"{served}/alpha/a.png", f"{served}/image/x.png"]
    (tmp_path / "urls.txt").write_text("\n".join(lines))
    source = sources.source_of(str(tmp_path / "urls.txt"), private=True)
    refused: list[tuple[str, str]] = []

    def read() -> list[str]:
        refused.clear()
        found = read_checked(
            [source],
            CorpusKind.PAIRS,
            1080,
            on_refused=lambda entry, reason: refused.append((entry.name, reason)),
        )
        return [entry.name for entry, _ in found]

    assert read() == ["image/a.png"]
    assert refused == [("image/x.png", "http_404")]
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 100)
    assert read() == []
    assert ("image/a.png", "too_large") in refused


def test_private_addresses_are_refused_unless_asked_for(served, tmp_path):
    (tmp_path / "urls.txt").write_text(f"{served}/image/a.png\n{served}/alpha/a.png\n")
    given = ["add", "x", str(tmp_path / "urls.txt"), "--dry-run"]
    refused = CliRunner().invoke(corpora, given)
    assert "left out, private_address: 1: image/a.png" in refused.output
    assert "0 usable pairs" in refused.output
    asked = CliRunner().invoke(corpora, [*given, "--private-addresses"])
    assert "1 usable pairs, 0 left out" in asked.output


def test_a_redirect_to_a_private_address_is_refused_too():
    request = httpx.Request("GET", "http://[::1]:9/x.png")
    with pytest.raises(Unusable, match="private_address"):
        sources._refuse_private(request)
    for host in ("10.0.0.1", "192.168.1.2", "169.254.169.254", "127.0.0.1", "0.0.0.0"):
        with pytest.raises(Unusable):
            sources._refuse_private(httpx.Request("GET", f"http://{host}/latest"))


def test_urls_of_one_path_stay_apart_and_need_no_suffix(tmp_path):
    def names(*urls: str) -> list[str]:
        (tmp_path / "urls.txt").write_text("\ufeff" + "\n".join(urls), encoding="utf-8")
        source = sources.source_of(str(tmp_path / "urls.txt"))
        assert not isinstance(source, Path)
        return [member.name for member in source.members()]

    assert names("https://a.b/x/1.jpg?w=3", "https://a.b/x/2.jpg") == ["x/1.jpg", "x/2.jpg"]
    assert names("https://a.b/1.jpg", "https://c.d/1.jpg") == ["a.b/1.jpg", "c.d/1.jpg"]
    assert names("https://a.b/1.jpg", "https://a.b/1.jpg") == ["1.jpg"]
    assert len(set(names("https://a.b/get?id=1", "https://a.b/get?id=2"))) == 2
    assert names("https://a.b/photo") == ["photo.jpg"]


def test_an_archive_behind_a_url_is_opened(served, folder, tmp_path):
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        for name in ("image", "alpha"):
            archive.write(folder / name / "b.png", f"{name}/b.png")
    (tmp_path / "urls.txt").write_text(f"{served}/more.zip\n{served}/gone.tar\n")
    source = sources.source_of(str(tmp_path / "urls.txt"), private=True)
    refused = dict[str, str]()
    found = read_checked(
        [source],
        CorpusKind.PAIRS,
        1080,
        on_refused=lambda entry, reason: refused.update({entry.name: reason}),
    )
    assert [entry.name for entry, _ in found] == ["image/b.png"]
    assert refused == {"gone.tar": "http_404"}
