"""Pictures below a bucket's prefix, on a real S3."""

import io
import tarfile

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import workers.app
from core.adapters.s3 import S3Store
from workers.commands.corpora import corpora


def png(seed: int, alpha: bool = False) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    if alpha:
        pixels = np.zeros((40, 30), np.uint8)
        pixels[10:30, 10:20] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def shard(*keys: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for key in keys:
            for name, body in ((f"{key}.image.png", png(key)), (f"{key}.alpha.png", png(0, True))):
                info = tarfile.TarInfo(name)
                info.size = len(body)
                tar.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


@pytest.fixture
def bucket(s3_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """A person's bucket: two pairs, a tar, a note; and a folder whose name only begins alike."""
    objects = {
        "mine/people/image/a.png": png(1), "mine/people/alpha/a.png": png(0, True),
        "mine/people/image/zoë.png": png(2), "mine/people/alpha/zoë.png": png(0, True),
        "mine/people/alpha/lonely.png": png(0, True), "mine/people/video.mp4": b"x",
        "mine/people/.DS_Store": b"x", "mine/people/more/000000.tar": shard(3, 4),
        "mine/people-2/image/b.png": png(5), "mine/people-2/alpha/b.png": png(0, True),
    }  # fmt: skip
    for key, body in objects.items():
        s3_store.put(key, body, content_type="application/octet-stream")
    monkeypatch.setattr(workers.app, "bucket", lambda name: s3_store)
    return "s3://theirs"


def dry_run(source: str) -> str:
    result = CliRunner().invoke(corpora, ["add", "people", source, "--dry-run"])
    assert result.exit_code == 0, result.output
    return result.output


def test_pairs_and_archives_below_a_prefix_are_read(bucket):
    told = dry_run(f"{bucket}/mine/people")
    assert "image/a.png + alpha/a.png: 30 x 40" in told
    assert "image/zoë.png + alpha/zoë.png: 30 x 40" in told
    assert "3.image.png + 3.alpha.png: 30 x 40" in told
    assert "left out, unsupported .mp4: 1: video.mp4" in told
    assert "left out, no_image: 1: alpha/lonely.png" in told
    assert "4 usable pairs, 2 left out" in told


def test_a_prefix_that_is_no_folder_and_one_object(bucket):
    assert "2 usable pairs" in dry_run(f"{bucket}/mine/people/more/000000.tar")
    assert "5 usable pairs" in dry_run(f"{bucket}/mine/peop")
    assert "1 usable pairs" in dry_run(f"{bucket}/mine/people-2/")
    assert "0 usable pairs, 0 left out" in dry_run(f"{bucket}/nothing/here")


def test_a_bucket_that_is_not_there_is_told_in_one_line(s3, monkeypatch):
    store = s3.open("never-made")
    monkeypatch.setattr(workers.app, "bucket", lambda name: store)
    result = CliRunner().invoke(corpora, ["add", "people", "s3://never-made/x", "--dry-run"])
    store.close()
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert len(result.output.splitlines()) == 1
