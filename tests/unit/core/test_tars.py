"""Tars are read in order, one run of equal keys a sample; what is no file is left out."""

import io
import tarfile
from pathlib import Path

import pytest

from core.tars import read_members, read_samples


def write(path: Path, names: list[str], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            archive.addfile(info, io.BytesIO(name.encode()))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


def test_members_come_in_order_with_their_content(tmp_path: Path) -> None:
    tar = write(tmp_path / "t.tar", ["./b.json", "a.png"])
    assert list(read_members(tar)) == [("b.json", b"./b.json"), ("a.png", b"a.png")]


def test_a_link_that_leads_nowhere_is_left_out(tmp_path: Path) -> None:
    tar = write(tmp_path / "t.tar", ["a.png"], {"b.png": "gone.png"})
    assert [name for name, _ in read_members(tar)] == ["a.png"]


def test_a_sample_is_a_run_of_one_key(tmp_path: Path) -> None:
    tar = write(tmp_path / "t.tar", ["a.image.png", "a.json", "b.json", "a.json"])
    assert [(key, sorted(members)) for key, members in read_samples(tar)] == [
        ("a", ["image.png", "json"]),
        ("b", ["json"]),
        ("a", ["json"]),
    ]


def test_a_broken_tar_is_told(tmp_path: Path) -> None:
    whole = write(tmp_path / "t.tar", ["a.png", "b.png"])
    whole.write_bytes(b"no tar" * 200)
    with pytest.raises(tarfile.TarError):
        list(read_members(whole))
