"""Shards as folders of files."""

import io
import tarfile
from pathlib import Path

import pytest

from matteforge.errors import DownloadCorrupt
from matteforge.unpack import unpack


def shard(path: Path, *names: str, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(name) if kind == tarfile.REGTYPE else 0
            info.linkname = "/etc/passwd"
            tar.addfile(info, io.BytesIO(name.encode()))
    return path


SAMPLE = ("00000000000.alpha.png", "00000000000.image.webp", "00000000000.json")


def test_each_split_is_a_folder(tmp_path: Path) -> None:
    shards = [
        shard(tmp_path / "train-000000.tar", *SAMPLE),
        shard(tmp_path / "test-000001.tar", *(name.replace("00", "11", 1) for name in SAMPLE)),
    ]
    assert unpack(shards, tmp_path) == 2
    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == sorted(SAMPLE)
    assert (tmp_path / "test" / "11000000000.json").read_text() == "11000000000.json"
    assert not list(tmp_path.rglob("*.part"))


def test_members_are_chosen_by_name(tmp_path: Path) -> None:
    assert unpack([shard(tmp_path / "000000.tar", *SAMPLE)], tmp_path, ["alpha", "json"]) == 1
    found = sorted(path.name for path in (tmp_path / "train").iterdir())
    assert found == ["00000000000.alpha.png", "00000000000.json"]


@pytest.mark.parametrize("name", ["../00000000000.json", "/tmp/x", "00000000000.json/..", "a.json"])
def test_nothing_is_written_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(DownloadCorrupt, match="is no member of a sample"):
        unpack([shard(tmp_path / "000000.tar", name)], tmp_path / "out")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "000000.tar"]


def test_a_link_is_no_member(tmp_path: Path) -> None:
    linked = shard(tmp_path / "000000.tar", SAMPLE[0], kind=tarfile.SYMTYPE)
    with pytest.raises(DownloadCorrupt):
        unpack([linked], tmp_path / "out")


def test_a_broken_tar_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "000000.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(DownloadCorrupt, match=r"000000\.tar"):
        unpack([tmp_path / "000000.tar"], tmp_path / "out")
