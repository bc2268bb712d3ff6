"""What people really bring: the situations that users of neighbouring tools report in public."""

import io
import tarfile
import unicodedata
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matteforge.schemas.corpora import CorpusKind
from models.corpora.formats import read_entries
from models.corpora.reader import read_checked
from models.corpora.validate import Sample

SIZE = (96, 64)  # height, width


def scene(seed: int = 0, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """A bright ellipse, off the middle, before a dark, textured background; and its soft alpha."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    distance = np.hypot((y / height - 0.62) / 0.28, (x / width - 0.6) / 0.2)
    alpha = np.clip((1 - distance) * 4 + 0.5, 0, 1)
    rng = np.random.default_rng(seed)
    inside = np.array([210, 120, 60]) + rng.normal(0, 8, (height, width, 3))
    outside = np.array([30, 60, 40]) + rng.normal(0, 8, (height, width, 3))
    rgb = inside * alpha[..., None] + outside * (1 - alpha[..., None])
    return rgb.clip(0, 255).round().astype(np.uint8), (alpha * 255).round().astype(np.uint8)


def put(path: Path, pixels: np.ndarray | Image.Image, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)


def content(pixels: np.ndarray, file_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format)
    return buffer.getvalue()


def read(source: Path, **options: object) -> tuple[dict[str, Sample], Counter[str]]:
    """Usable samples by label, and the reasons for what was left out."""
    reasons = Counter[str]()
    found = read_checked(
        [source],
        CorpusKind.PAIRS,
        1080,
        on_refused=lambda entry, reason: reasons.update([reason]),
        **options,  # type: ignore[arg-type]
    )
    return {entry.label: sample for entry, sample in found}, reasons


def close(found: np.ndarray | None, expected: np.ndarray, levels: float) -> bool:
    assert found is not None
    return found.shape == expected.shape and bool(
        np.abs(found.astype(int) - expected).mean() <= levels
    )


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("made_of", ["raw", "upright"])
def test_alphas_of_phone_pictures_are_settled_whichever_pixels_they_were_made_of(
    tmp_path, orientation, made_of
):
    """Upright is `scene`; the camera stores it turned, and says so in EXIF."""
    rgb, alpha = scene()
    back = {3: 2, 6: 1, 8: -1}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    put(tmp_path / "images/p.jpg", np.rot90(rgb, back).copy(), exif=exif, quality=95)
    stored = np.rot90(alpha, back).copy() if made_of == "raw" else alpha
    put(tmp_path / "alphas/p.png", stored)
    samples, reasons = read(tmp_path)
    assert not reasons
    assert close(samples["p"].alpha, alpha, 0)
    assert close(samples["p"].rgb, rgb, 8)
    assert ("alpha_turned_by_exif" in samples["p"].notes) == (made_of == "raw")


def test_an_alpha_that_fits_either_way_up_is_refused_not_guessed(tmp_path):
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 3
    put(tmp_path / "images/p.png", rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), exif=exif)
    put(tmp_path / "alphas/p.png", scene(size=(64, 64))[1])
    assert read(tmp_path) == ({}, Counter({"orientation_unclear": 1}))


@pytest.mark.parametrize("colours", ["cut-out", "white", "grey"])
def test_alpha_in_the_a_channel_of_the_matte(tmp_path, colours):
    rgb, alpha = scene()
    put(tmp_path / "image/a.png", rgb)
    shown = {"cut-out": rgb, "white": np.full_like(rgb, 255), "grey": rgb[..., :1].repeat(3, 2)}
    matte = Image.fromarray(np.dstack([shown[colours], alpha]))
    put(tmp_path / "alpha/a.png", matte.convert("LA") if colours == "grey" else matte)
    samples, _ = read(tmp_path)
    assert close(samples["a"].alpha, alpha, 0)
    assert samples["a"].notes == ("alpha_from_a_channel",)


def test_an_opaque_rgba_matte_is_read_as_grey(tmp_path):
    rgb, alpha = scene()
    put(tmp_path / "image/a.png", rgb)
    put(tmp_path / "alpha/a.png", np.dstack([alpha, alpha, alpha, np.full_like(alpha, 255)]))
    assert close(read(tmp_path)[0]["a"].alpha, alpha, 0)


def test_grey_pictures_of_16_bits_are_not_white(tmp_path):
    _, alpha = scene()
    values = np.linspace(21159, 50372, alpha.size).reshape(alpha.shape).astype(np.uint16)
    put(tmp_path / "image/g.png", values)
    put(tmp_path / "alpha/g.png", alpha)
    assert close(read(tmp_path)[0]["g"].rgb[..., 0], values / 257, 0.5)


@pytest.mark.parametrize(
    ("mask", "note"),
    [
        (lambda m: m, "mask_of_0_and_1"),
        (lambda m: m.astype(np.uint16), "mask_of_0_and_1"),
        (lambda m: m * np.uint8(38), "mask_of_0_and_38"),
        (lambda m: np.dstack([m * np.uint8(128), m * 0, m * 0]), "mask_of_0_and_38"),
        (lambda m: m > 0, None),
    ],
)
def test_masks_of_two_values_mean_nothing_and_all(tmp_path, mask, note):
    rgb, alpha = scene()
    inside = (alpha > 127).astype(np.uint8)
    put(tmp_path / "image/a.png", rgb)
    put(tmp_path / "mask/a.png", mask(inside))
    samples, _ = read(tmp_path)
    assert close(samples["a"].alpha, inside * 255, 0)
    assert samples["a"].notes == ((note,) if note else ())


def test_a_photograph_is_no_alpha(tmp_path):
    rgb, _ = scene()
    put(tmp_path / "image/a.png", rgb)
    put(tmp_path / "alpha/a.png", rgb)
    assert read(tmp_path) == ({}, Counter({"alpha_in_colours": 1}))


@pytest.mark.parametrize(
    ("colour", "matte"), [("fgr", "pha"), ("fg", "alpha"), ("FG", "GT"), ("foreground", "matte")]
)
def test_foregrounds_with_alphas_are_straight_colour(tmp_path, colour, matte):
    rgb, alpha = scene()
    put(tmp_path / f"train/{colour}/0000.jpg", rgb, quality=95)
    put(tmp_path / f"train/{matte}/0000.jpg", alpha, quality=95)
    samples, reasons = read(tmp_path)
    assert not reasons
    assert samples["train/0000"].straight
    assert close(samples["train/0000"].alpha, alpha, 2)


def test_a_transparent_colour_cuts_the_subject_out(tmp_path):
    rgb, alpha = scene()
    inside = alpha > 127
    keyed = np.where(inside[..., None], rgb, np.uint8([0, 255, 0])).astype(np.uint8)
    put(tmp_path / "key.png", keyed, transparency=(0, 255, 0))
    samples, _ = read(tmp_path)
    assert samples["key"].straight
    assert close(samples["key"].alpha, inside * 255, 0)


@pytest.mark.parametrize("told", [None, True])
def test_premultiplied_cut_outs_are_made_straight(tmp_path, told):
    rgb, alpha = scene()
    subject = np.broadcast_to(np.uint8([210, 120, 60]), rgb.shape)
    premultiplied = (subject * (alpha[..., None] / 255)).round().astype(np.uint8)
    put(tmp_path / "cut.png", np.dstack([premultiplied, alpha]))
    sample = read(tmp_path, premultiplied=told)[0]["cut"]
    dense = alpha > 60
    assert np.abs(sample.rgb[dense].astype(int) - subject[dense]).max() <= 3
    assert sample.notes == ("premultiplied",)
    straight = read(tmp_path, premultiplied=False)[0]["cut"]
    assert np.array_equal(straight.rgb, premultiplied)


def test_straight_cut_outs_of_dark_subjects_stay_as_they_are(tmp_path):
    _, alpha = scene()
    dark = np.full((*alpha.shape, 3), 12, np.uint8)
    put(tmp_path / "cut.png", np.dstack([dark, alpha]))
    sample = read(tmp_path)[0]["cut"]
    assert np.array_equal(sample.rgb, dark)
    assert sample.notes == ()


def test_equal_names_in_folders_and_dots_in_names_are_all_read(tmp_path):
    names = ("person1/0001", "person2/0001", "IMG.2024.01", "IMG.2024.02", "v1.5/a.b/x")
    for seed, name in enumerate(names):
        put(tmp_path / f"{name}.png", np.dstack(scene(seed)))
    assert set(read(tmp_path)[0]) == set(names)


def test_clips_in_nested_folders(tmp_path):
    for seed, name in enumerate(("clip1/0000", "clip1/0001", "clip2/0000", "clip2/0001")):
        rgb, alpha = scene(seed)
        put(tmp_path / f"image/{name}.png", rgb)
        put(tmp_path / f"alpha/{name}.png", alpha)
    samples, reasons = read(tmp_path)
    assert set(samples) == {"clip1/0000", "clip1/0001", "clip2/0000", "clip2/0001"}
    assert not reasons


@pytest.mark.parametrize(
    ("image", "alpha"),
    [
        ("a.jpg", "a_matte.png"), ("a.jpg", "a-mask.png"), ("a.jpg", "a_alpha.png"),
        ("a.jpg", "a.png"), ("rgb_a.png", "alpha_a.png"), ("IMG_7.jpg", "IMG_7_matte.png"),
        ("a.jpg", "masks/a.png"), ("img/a.jpg", "a.alpha.png"), ("image/a.jpg", "Mask/a_mask.png"),
        ("original/a.jpg", "mask/a.png"), ("a.image.webp", "a.alpha.png"),
        ("clip_img/7/clip_0/x-1.jpg", "matting/7/matting_0/x-1.png"),
        ("images.JPG/a.JPG", "mask/a.PNG"), ("merged/a_0.jpg", "alpha_copy/a_0.png"),
        ("images/normal/a.jpg", "masks/normal/a.png"),
    ],
)  # fmt: skip
def test_pairs_by_their_names(tmp_path, image, alpha):
    rgb, matte = scene()
    put(tmp_path / image, rgb)
    put(tmp_path / alpha, matte)
    samples, reasons = read(tmp_path)
    assert [close(sample.alpha, matte, 0) for sample in samples.values()] == [True]
    assert not reasons


def test_a_picture_of_a_mask_is_a_picture(tmp_path):
    put(tmp_path / "carnival_mask.jpg", scene()[0])
    (entry,) = read_entries(tmp_path, pairs=False)
    assert (entry.name, entry.alpha) == ("carnival_mask.jpg", None)


def test_two_formats_of_a_picture_are_no_pair_where_pictures_are_wanted(tmp_path):
    put(tmp_path / "a.jpg", scene()[0])
    put(tmp_path / "a.png", scene()[0])
    assert [entry.alpha for entry in read_entries(tmp_path, pairs=False)] == [None, None]


def test_names_are_one_whatever_spelling_of_unicode(tmp_path):
    rgb, alpha = scene()
    name = "Zoë Müller"
    put(tmp_path / "image" / f"{unicodedata.normalize('NFC', name)}.png", rgb)
    put(tmp_path / "alpha" / f"{unicodedata.normalize('NFD', name)}.png", alpha)
    assert set(read(tmp_path)[0]) == {name}


def test_zips_made_on_windows_and_on_macs(tmp_path):
    rgb, alpha = scene()
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        for name, pixels in (("image/a.png", rgb), ("alpha/a.png", alpha)):
            info = zipfile.ZipInfo("x")
            info.filename = name.replace("/", "\\")
            archive.writestr(info, content(pixels))
        archive.writestr("__MACOSX/image/._a.png", b"no picture")
        archive.writestr("image/.DS_Store", b"")
    samples, reasons = read(tmp_path / "w.zip")
    assert set(samples) == {"a"}
    assert not reasons


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_tars_of_folders_and_a_dangling_link_in_one(tmp_path, mode):
    rgb, alpha = scene()
    with tarfile.open(tmp_path / "data.tar", mode) as tar:
        for name, pixels in (("./image/a.png", rgb), ("./alpha/a.png", alpha)):
            info = tarfile.TarInfo(name)
            info.size = len(content(pixels))
            tar.addfile(info, io.BytesIO(content(pixels)))
        link = tarfile.TarInfo("image/b.png")
        link.type, link.linkname = tarfile.SYMTYPE, "nowhere.png"
        tar.addfile(link)
    samples, reasons = read(tmp_path / "data.tar")
    assert set(samples) == {"a"}
    assert reasons == {"link": 1}


def test_dangling_links_and_pipes_in_a_folder_are_listed(tmp_path):
    import os

    put(tmp_path / "good.png", np.dstack(scene()))
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    samples, reasons = read(tmp_path)
    assert set(samples) == {"good"}
    assert reasons == {"dangling_link": 1, "not_a_file": 1}


def test_webdataset_with_jpg_and_png(tmp_path):
    with tarfile.open(tmp_path / "00000.tar", "w") as tar:
        for seed in range(2):
            rgb, alpha = scene(seed)
            for suffix, body in (
                ("jpg", content(rgb, "JPEG")),
                ("png", content(alpha)),
                ("json", b"{}"),
            ):
                info = tarfile.TarInfo(f"{seed:06d}.{suffix}")
                info.size = len(body)
                tar.addfile(info, io.BytesIO(body))
    samples, reasons = read(tmp_path)
    assert set(samples) == {"000000", "000001"}
    assert close(samples["000001"].alpha, scene(1)[1], 0)
    assert not reasons


@pytest.mark.parametrize("suffix", ["webp", "jpg", "png"])
def test_deliveries_of_ours_in_any_format_keep_their_foreground(tmp_path, suffix):
    rgb, alpha = scene()
    straight = np.full_like(rgb, 99)
    formats = {"webp": "WEBP", "jpg": "JPEG", "png": "PNG"}
    with tarfile.open(tmp_path / "000000.tar", "w") as tar:
        for name, body in (
            ("alpha.png", content(alpha)),
            ("depth.png", content(rgb[..., 0].astype(np.uint16) * 200)),
            ("fg.png", content(straight)),
            (f"image.{suffix}", content(rgb, formats[suffix])),
            ("json", b"{}"),
        ):
            info = tarfile.TarInfo(f"00000000001.{name}")
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    samples, reasons = read(tmp_path)
    (sample,) = samples.values()
    assert close(sample.rgb, rgb, 8)
    assert close(sample.alpha, alpha, 0)
    assert not sample.straight
    assert sample.foreground is not None
    assert (sample.foreground[alpha > 0] == 99).all()
    assert not reasons


def test_images_and_masks_in_two_zips(tmp_path):
    rgb, alpha = scene()
    for name, pixels in (("images", rgb), ("masks", alpha)):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr(f"{name}/a.png", content(pixels))
    assert set(read(tmp_path)[0]) == {"a"}


def test_unsupported_files_are_counted_and_named_and_sidecars_are_not(tmp_path):
    put(tmp_path / "a.png", np.dstack(scene()))
    for name in ("b.heic", "c.HEIC", "d.mp4", "e.exr", "notes.txt", "labels.json", ".hidden.heic"):
        (tmp_path / name).write_bytes(b"x")
    _, reasons = read(tmp_path)
    assert reasons == {"unsupported .heic": 2, "unsupported .mp4": 1, "unsupported .exr": 1}


def test_extreme_aspects_are_refused_and_huge_pictures_reduced(tmp_path):
    put(tmp_path / "ribbon.png", np.tile(np.uint8([[9] * 4, [255] * 4]), (20, 4500, 1)))
    rgb, alpha = scene(size=(2000, 1500))
    put(tmp_path / "huge.png", np.dstack([rgb, alpha]), compress_level=1)
    samples, reasons = read(tmp_path)
    assert samples["huge"].rgb.shape == (1080, 810, 3)
    assert reasons == {"too_narrow": 1}


def test_an_archive_that_unpacks_to_far_too_much_is_listed_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr("models.corpora.archives.FREE_BYTES", 1_000_000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(20_000_000))
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("a.png")
        info.size = 20_000_000
        tar.addfile(info, io.BytesIO(bytes(20_000_000)))
    put(tmp_path / "good.png", np.dstack(scene()))
    samples, reasons = read(tmp_path)
    assert set(samples) == {"good"}
    assert reasons == {"archive_too_large": 2}
