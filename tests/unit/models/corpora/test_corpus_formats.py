"""Corpora in the layouts that matting data sets come in: what is found, what is refused, where it
goes."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.adapters.memory import MemoryStore
from core.corpora import CorpusBook, corpus_split_of
from core.errors import CorpusRejected, InvalidSpec, NotFound, StateConflict
from core.tars import read_samples
from matteforge.schemas.corpora import CorpusKind, Split
from models.corpora.foreground import straight_foreground
from models.corpora.formats import read_entries
from models.corpora.pairs import decode
from models.corpora.validate import check_entry, content_key
from models.imaging.resize import resized
from workers.cycle.corpora import add_corpus
from workers.cycle.fetch_corpus import fetch_split


def picture(seed: int, size: int = 32, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, channels), dtype=np.uint8)


def disc(size: int = 32, radius: float = 0.5) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    return (np.clip((radius - np.hypot(x, y)) * 5 + 0.5, 0, 1) * 255).astype(np.uint8)


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def p3m(root: Path) -> None:
    for i in range(3):
        write(root / f"train/blurred_image/p_{i}.jpg", picture(i))
        write(root / f"train/mask/p_{i}.png", disc())
    for part, images, seed in (
        ("P3M-500-P", "blurred_image", 10),
        ("P3M-500-NP", "original_image", 20),
    ):
        write(root / f"validation/{part}/{images}/v.jpg", picture(seed))
        write(root / f"validation/{part}/mask/v.png", disc())
        write(root / f"validation/{part}/trimap/v.png", disc())
    write(root / "train/fg/p_0.png", picture(30))


def am2k(root: Path) -> None:
    for i in range(3):
        write(root / f"train/original/m_{i}.jpg", picture(i))
        write(root / f"train/mask/m_{i}.png", disc())
        write(root / f"train/bg/m_{i}.png", picture(i + 50))


def beside(root: Path) -> None:
    for i in range(3):
        write(root / f"{i}.image.png", picture(i))
        write(root / f"{i}.alpha.png", disc())


def webdataset(root: Path) -> None:
    root.mkdir()
    with tarfile.open(root / "a.tar", "w") as tar:
        for i in range(3):
            for suffix, content in (
                ("image.png", png(picture(i))),
                ("alpha.png", png(disc())),
                ("json", b"{}"),
            ):
                info = tarfile.TarInfo(f"{i:05d}.{suffix}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize(("layout", "parts"), [
    (p3m, {"train": 3, "validation/P3M-500-P": 1, "validation/P3M-500-NP": 1}),
    (am2k, {"train": 3}),
    (beside, {"": 3}),
    (webdataset, {"": 3}),
])  # fmt: skip
def test_pairs_are_found_in_each_layout(tmp_path, layout, parts):
    layout(tmp_path / "data")
    entries = list(read_entries(tmp_path / "data"))
    assert all(entry.image and entry.alpha for entry in entries)
    found = [entry.part for entry in entries]
    assert {part: found.count(part) for part in set(found)} == parts


def test_what_a_shard_of_ours_derives_from_a_pair_is_no_sample_of_its_own(tmp_path):
    members = {
        "0.image.png": png(picture(1)),
        "0.alpha.png": png(disc()),
        "0.composite.png": png(picture(2)),
        "0.fg.png": png(picture(3, channels=4)),
    }
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    (entry,) = read_entries(tmp_path / "a.tar")
    assert (entry.name, entry.alpha()) == ("0.image.png", members["0.alpha.png"])


def test_a_folder_of_backgrounds_may_be_called_so(tmp_path):
    write(tmp_path / "d/bg/x.jpg", picture(1))
    assert [entry.name for entry in read_entries(tmp_path / "d")] == ["bg/x.jpg"]


def test_an_alpha_of_16_bits_keeps_its_values(tmp_path):
    alpha = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    write(tmp_path / "d/a.image.png", picture(1))
    Image.fromarray(alpha).save(tmp_path / "d/a.alpha.png")
    (entry,) = read_entries(tmp_path / "d")
    sample = check_entry(entry, CorpusKind.PAIRS, 64)
    assert np.abs(sample.alpha.astype(float) - alpha / 257).max() <= 0.5
    assert np.array_equal(decode(entry.alpha(), "L"), sample.alpha)


@pytest.fixture
def book() -> CorpusBook:
    return CorpusBook(MemoryStore())


def test_samples_carry_scene_alpha_and_a_foreground_without_the_old_background(book, tmp_path):
    """A red disc before green: what is estimated at its soft edge is red, not a mixture."""
    alpha = disc()
    red, green = np.array([200, 20, 20]), np.array([20, 200, 20])
    weight = alpha[..., None] / 255
    scene = (red * weight + green * (1 - weight)).astype(np.uint8)
    write(tmp_path / "d/images/a.png", scene)
    write(tmp_path / "d/alphas/a.png", alpha)
    manifest, _ = add_corpus(book, "discs", tmp_path / "d", licence="CC0-1.0", part="round")
    (split,) = {shard.split for shard in manifest.shards}
    (tar,) = fetch_split(book, manifest, split, tmp_path / "fetched")
    ((key, members),) = read_samples(tar)
    assert key == content_key(scene)
    assert split is corpus_split_of(key)
    assert json.loads(members["json"]) == {"part": "round", "source": "images/a.png"}
    assert np.array_equal(decode(members["image.png"], "RGB"), scene)
    assert np.array_equal(decode(members["alpha.png"], "L"), alpha)
    rgba = decode(members["rgba.png"], "RGBA")
    edge = (alpha > 60) & (alpha < 200)
    assert edge.sum() > 20
    assert np.abs(scene[edge].astype(int) - red).mean() > 40, "the scene itself would be a halo"
    assert np.abs(rgba[edge][:, :3].astype(int) - red).mean() < 12


def test_what_is_wrong_with_a_file_is_told_and_the_others_are_kept(book, tmp_path):
    root = tmp_path / "d"
    for name, image, alpha in (
        ("good", picture(1), disc()),
        ("again", picture(1), disc()),
        ("empty", picture(2), np.zeros((32, 32), np.uint8)),
        ("full", picture(3), np.full((32, 32), 255, np.uint8)),
        ("other", picture(4), disc(40)),
        ("small", picture(5, 8), disc(8)),
    ):
        write(root / f"images/{name}.png", image)
        write(root / f"masks/{name}.png", alpha)
    write(root / "images/lonely.png", picture(6))
    write(root / "masks/orphan.png", disc())
    (root / "images/broken.png").write_bytes(b"no picture")
    write(root / "masks/broken.png", disc())
    manifest, report = add_corpus(book, "d", root, licence="x")
    assert manifest.samples() == 1
    reasons = {rejection.source: rejection.reason for rejection in report.rejections}
    assert {Path(source).name: reason for source, reason in reasons.items()} == {
        "good.png": "duplicate",
        "empty.png": "empty_alpha",
        "full.png": "full_alpha",
        "other.png": "size_mismatch",
        "small.png": "too_small",
        "lonely.png": "no_alpha",
        "orphan.png": "no_image",
        "broken.png": "unreadable",
    }
    assert manifest.rejected == dict(report.rejected)


def test_broken_archives_are_told_and_what_can_be_read_is_kept(book, tmp_path):
    root = tmp_path / "d"
    root.mkdir()
    with tarfile.open(root / "cut.tar", "w") as tar:
        for i in range(2):
            content = png(picture(i, 64))
            info = tarfile.TarInfo(f"{i}.png")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    content = (root / "cut.tar").read_bytes()
    (root / "cut.tar").write_bytes(content[: len(png(picture(0, 64))) + 3000])
    (root / "none.tar").write_bytes(b"not a tar")
    write(root / "whole.png", picture(9))
    manifest, report = add_corpus(book, "d", root, kind=CorpusKind.IMAGES, licence="x")
    assert manifest.samples() == 2
    assert {(r.source, r.reason) for r in report.rejections} == {
        ("cut.tar", "unreadable"),
        ("none.tar", "unreadable"),
    }
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.png", png(picture(11)))
        archive.writestr("b.png", png(picture(12)))
    damaged = (tmp_path / "z.zip").read_bytes().replace(png(picture(11))[200:210], b"0123456789")
    (tmp_path / "z.zip").write_bytes(damaged)
    _, report = add_corpus(book, "z", tmp_path / "z.zip", kind=CorpusKind.IMAGES, licence="x")
    assert [(r.source, r.reason) for r in report.rejections] == [("a.png", "unreadable")]


def test_splits_follow_from_content_whatever_name_format_or_corpus(book, tmp_path):
    for i in range(60):
        write(tmp_path / f"a/{i}.png", picture(i))
        write(tmp_path / f"b/renamed-{i}.bmp", picture(i))
    first, _ = add_corpus(book, "a", tmp_path / "a", kind=CorpusKind.IMAGES, licence="x")
    second, _ = add_corpus(book, "b", tmp_path / "b", kind=CorpusKind.BACKGROUNDS, licence="x")
    for split in Split:
        assert set(book.keys(first, split)) == set(book.keys(second, split))
    assert 36 <= first.samples(Split.TRAIN) <= 58
    assert sum(first.samples(split) for split in Split) == 60


def test_adding_again_adds_nothing_and_adding_more_keeps_what_was_there(book, tmp_path):
    for i in range(10):
        write(tmp_path / f"a/{i}.png", picture(i))
    first, _ = add_corpus(book, "a", tmp_path / "a", kind=CorpusKind.IMAGES, licence="x")
    again, report = add_corpus(book, "a", tmp_path / "a", kind=CorpusKind.IMAGES, licence="x")
    assert (report.known, again.digest, again.samples()) == (10, first.digest, 10)
    write(tmp_path / "more/new.png", picture(99))
    grown, _ = add_corpus(book, "a", tmp_path / "more", kind=CorpusKind.IMAGES, licence="y")
    assert (grown.samples(), grown.licence, grown.sources) == (11, "x; y", ["a", "more"])
    assert set(book.keys(first)) < set(book.keys(grown))
    with pytest.raises(StateConflict, match="holds images, not backgrounds"):
        add_corpus(book, "a", tmp_path / "more", kind=CorpusKind.BACKGROUNDS, licence="y")


def test_zips_are_read_and_can_be_narrowed(book, tmp_path):
    with zipfile.ZipFile(tmp_path / "afhq.zip", "w") as archive:
        for i, kind in enumerate(("cat", "dog", "cat")):
            archive.writestr(f"afhq/train/{kind}/{i}.png", png(picture(i)))
    manifest, _ = add_corpus(
        book,
        "cats",
        tmp_path / "afhq.zip",
        kind=CorpusKind.IMAGES,
        licence="CC-BY-NC-4.0",
        within="afhq/train/cat/",
    )
    assert manifest.samples() == 2


def test_pictures_are_brought_down_to_the_longest_side_without_bleeding(book, tmp_path):
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[..., 1] = 255  # green where nothing is
    rgba[16:48, 16:48] = (200, 0, 0, 255)
    write(tmp_path / "a/x.png", rgba)
    manifest, _ = add_corpus(book, "a", tmp_path / "a", licence="x", max_side=24)
    (tar,) = fetch_split(book, manifest, manifest.shards[0].split, tmp_path / "f")
    ((_, members),) = read_samples(tar)
    small = decode(members["rgba.png"], "RGBA")
    assert small.shape == (24, 24, 4)
    assert (small[small[..., 3] > 0][:, 1] == 0).all()
    rgb, alpha = resized(rgba[..., :3], rgba[..., 3], 64, 64, straight=True)
    assert np.array_equal(alpha, rgba[..., 3])
    assert np.array_equal(rgb, rgba[..., :3])


def test_nothing_usable_bad_names_and_changed_shards_are_refused(book, tmp_path):
    (tmp_path / "void").mkdir()
    with pytest.raises(CorpusRejected, match="no usable pairs"):
        add_corpus(book, "a", tmp_path / "void", licence="x")
    with pytest.raises(InvalidSpec, match="no corpus name"):
        add_corpus(book, "../a", tmp_path / "void", licence="x")
    write(tmp_path / "i/x.png", picture(1))
    manifest, _ = add_corpus(book, "a", tmp_path / "i", kind=CorpusKind.IMAGES, licence="x")
    (shard,) = manifest.shards
    book.store.put(f"corpora/a/shards/{shard.name}", b"other bytes")
    with pytest.raises(CorpusRejected, match="other bytes"):
        fetch_split(book, manifest, shard.split, tmp_path / "f")
    book.delete("a")
    assert list(book.store.list_keys("corpora/")) == []
    with pytest.raises(NotFound, match="no corpus 'a'"):
        book.get("a")
    with pytest.raises(CorpusRejected, match="lacks its shard"):
        fetch_split(book, manifest, shard.split, tmp_path / "g")


def test_foreground_estimation_keeps_alpha_and_opaque_colour():
    rgb, alpha = picture(1), disc()
    rgba = straight_foreground(rgb, alpha)
    assert np.array_equal(rgba[..., 3], alpha)
    opaque = alpha == 255
    assert np.abs(rgba[opaque][:, :3].astype(int) - rgb[opaque]).max() <= 2
