"""Pictures, mattes, names and archives that are almost what was meant: read right, or refused by
name; never stored wrong."""

import io
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matteforge.schemas.corpora import CorpusKind
from models.corpora.reader import read_checked
from models.corpora.validate import Sample

HEIGHT, WIDTH = 48, 64
Y, X = np.mgrid[:HEIGHT, :WIDTH]
DISTANCE = np.hypot(X - 24, Y - 20)
ALPHA = (np.clip((19 - DISTANCE) / 6, 0, 1) * 255).round().astype(np.uint8)
COLOUR = np.dstack([np.full_like(ALPHA, 200), 60 + X, 40 + Y]).astype(np.uint8)
SCENE = np.where(
    ALPHA[..., None] > 0, COLOUR, np.dstack([30 + X, 90 + Y, 160 - X]).astype(np.uint8)
)
BINARY = np.where(ALPHA > 127, 255, 0).astype(np.uint8)


def put(folder: Path, files: dict[str, object], **options: object) -> None:
    for name, each in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(each, bytes):
            path.write_bytes(each)
        else:
            image = each if isinstance(each, Image.Image) else Image.fromarray(each)
            image.save(path, format=None if path.suffix else "PNG", **options)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def read(source: Path) -> tuple[list[Sample], Counter[str]]:
    reasons = Counter[str]()
    refused = lambda entry, reason: reasons.update([reason])  # noqa: E731
    found = read_checked([source], CorpusKind.PAIRS, 1080, on_refused=refused)
    return [sample for _, sample in found], reasons


def labels(*, ignored: bool) -> np.ndarray:
    """Numbers of classes: 15 is a person, 7 something else; 255 a border that counts for none."""
    classes = np.where(BINARY > 0, 15, np.where(X < 6, 7, 0)).astype(np.uint8)
    return np.where(ignored & (DISTANCE > 15) & (DISTANCE < 17), 255, classes).astype(np.uint8)


BLUE_OR_WHITE = np.dstack([BINARY, BINARY, np.full_like(BINARY, 255)])
REFUSED = {
    "alpha_looks_inverted": 255 - ALPHA,
    "alpha_is_a_trimap": np.select([ALPHA > 250, ALPHA < 5], [255, 0], 128).astype(np.uint8),
    "alpha_never_above_127": labels(ignored=False),
    "alpha_is_a_label_map": labels(ignored=True),
    "alpha_in_colours": BLUE_OR_WHITE,
    "empty_alpha": np.zeros_like(ALPHA),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_alpha_is_refused_by_name(tmp_path, reason):
    put(tmp_path, {"image/a.png": SCENE, "alpha/a.png": REFUSED[reason]})
    assert read(tmp_path) == ([], Counter({reason: 1}))


TRIMAP = REFUSED["alpha_is_a_trimap"]


@pytest.mark.parametrize("how", ["jpeg", "resized", "0, 127 and 254"])
def test_a_trimap_is_one_whatever_blurred_it(tmp_path, how):
    image = Image.fromarray(TRIMAP)
    if how == "resized":
        image = image.resize((128, 96), Image.Resampling.BILINEAR).resize((64, 48))
    elif how == "jpeg":
        image = image.resize((128, 96), Image.Resampling.NEAREST)
    else:
        image = image.point(lambda level: max(level - 1, 0))
    put(tmp_path, {"image/a.png": SCENE, "alpha/a.jpg" if how == "jpeg" else "alpha/a.png": image})
    assert read(tmp_path) == ([], Counter({"alpha_is_a_trimap": 1}))


def test_a_mask_with_one_grey_line_along_its_edge_is_no_trimap(tmp_path):
    square = np.where((abs(X - 32) < 15) & (abs(Y - 24) < 13), 255, 0).astype(np.uint8)
    halved = Image.fromarray(square).reduce(2).resize((64, 48), Image.Resampling.NEAREST)
    line = np.where((abs(X - 32) == 15) & (abs(Y - 24) < 13), 128, square).astype(np.uint8)
    put(tmp_path, {"image/a.png": SCENE, "alpha/a.png": line})
    put(tmp_path, {"image/b.png": SCENE, "alpha/b.png": halved})
    assert len(read(tmp_path)[0]) == 2


def test_a_grey_copy_of_the_picture_is_no_alpha(tmp_path):
    bright = np.clip(SCENE.astype(int) * 3 // 2, 0, 255).astype(np.uint8)
    bright[:8, :8] = 0
    put(tmp_path, {"image/a.png": bright, "alpha/a.jpg": Image.fromarray(bright).convert("L")})
    assert read(tmp_path) == ([], Counter({"alpha_is_the_picture": 1}))


def test_a_white_subject_on_black_is_its_own_alpha(tmp_path):
    put(tmp_path, {"image/a.png": np.repeat(ALPHA[..., None], 3, 2), "alpha/a.png": ALPHA})
    assert len(read(tmp_path)[0]) == 1


@pytest.mark.parametrize("kind", ["tar", "zip", "spellings"])
def test_of_two_files_of_one_name_the_last_is_read_and_the_other_told(tmp_path, kind):
    old, new = png(SCENE[:, ::-1].copy()), png(SCENE)
    source = tmp_path / f"data.{kind}"
    files = ("image/a.png", old), ("alpha/a.png", png(ALPHA)), ("image/a.png", new)
    if kind == "spellings":
        source = tmp_path
        put(
            tmp_path, {"image/e\u0301.png": old, "image/\u00e9.png": new, "alpha/\u00e9.png": ALPHA}
        )
    elif kind == "zip":
        with zipfile.ZipFile(source, "w") as archive:
            for name, content in files[:2]:
                archive.writestr(name, content)
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr(*files[2])
    else:
        with tarfile.open(source, "w") as archive:
            for name, content in files:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    [sample], reasons = read(source)
    assert reasons == Counter({"named_twice": 1})
    assert np.array_equal(sample.rgb, SCENE)


def test_a_zip_of_large_files_from_windows_explorer_says_how_it_is_packed(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x.png", png(np.dstack([COLOUR, ALPHA])))
    body = bytearray((tmp_path / "a.zip").read_bytes())
    body[8] = body[body.index(b"PK\x01\x02") + 10] = 9  # Deflate64
    (tmp_path / "a.zip").write_bytes(body)
    assert read(tmp_path / "a.zip") == ([], Counter({"compression_unsupported": 1}))


def test_a_face_that_fills_the_picture_is_not_inverted(tmp_path):
    beside_the_neck = (Y > 38) & ((X < 16) | (X > 48))
    alpha = np.where(beside_the_neck, 0, 255).astype(np.uint8)
    put(tmp_path, {"image/a.png": SCENE, "alpha/a.png": alpha})
    assert len(read(tmp_path)[0]) == 1


@pytest.mark.parametrize("scale", [1 / 255, 1, 257])
def test_alphas_of_floats_have_the_scale_of_their_largest_value(tmp_path, scale):
    floats = Image.fromarray(ALPHA.astype(np.float32) * np.float32(scale))
    put(tmp_path, {"image/a.png": SCENE, "alpha/a.tif": floats})
    [sample] = read(tmp_path)[0]
    assert sample.alpha is not None
    assert np.abs(sample.alpha.astype(int) - ALPHA).max() <= 1


@pytest.mark.parametrize("hidden", [COLOUR, COLOUR * (ALPHA[..., None] > 0)])
def test_a_cut_out_beside_its_alpha_is_no_scene(tmp_path, hidden):
    put(tmp_path, {"image/a.png": np.dstack([hidden, ALPHA]), "alpha/a.png": ALPHA})
    [sample] = read(tmp_path)[0]
    assert sample.straight
    assert "cut_out_beside_its_alpha" in sample.notes
    np.testing.assert_array_equal(sample.rgb[ALPHA > 0], COLOUR[ALPHA > 0])


NAMES = {
    "im and msk": ("im/a.png", "msk/a.png"),
    "train_images and train_masks": ("train_images/a.jpg", "train_masks/a_mask.png"),
    "train and train_masks": ("train/a.jpg", "train_masks/a_mask.png"),
    "masks_val": ("images_val/a.jpg", "masks_val/a.png"),
    "annotations": ("images/a.jpg", "annotations/a.png"),
    "suffix behind suffix": ("image/a.jpg", "alpha/a.jpg.png"),
    "byte order mark": ("image/\ufeffa.png", "alpha/a.png"),
    "quotes and a line feed": ('image/a "b"\n.png', 'alpha/a "b"\n.png'),
    "capitals": ("Image/A.JPEG", "Alpha/A.PNG"),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_names_that_pair(tmp_path, names):
    put(tmp_path, dict(zip(names, (SCENE, ALPHA), strict=True)))
    samples, reasons = read(tmp_path)
    assert (len(samples), reasons) == (1, Counter())


def test_train_and_val_of_equal_names_stay_apart(tmp_path):
    other = np.roll(ALPHA, 9, axis=1)
    put(tmp_path, {"train_images/0.png": SCENE, "train_masks/0.png": ALPHA})
    put(tmp_path, {"val_images/0.png": np.roll(SCENE, 9, axis=1), "val_masks/0.png": other})
    samples, reasons = read(tmp_path)
    assert not reasons
    for sample, alpha in zip(samples, (ALPHA, other), strict=True):
        np.testing.assert_array_equal(sample.alpha, alpha)


def test_a_picture_of_a_stereo_camera_is_its_first(tmp_path):
    put(
        tmp_path,
        {"image/a.mpo": SCENE, "alpha/a.png": ALPHA},
    )
    assert len(read(tmp_path)[0]) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty_file"),
        (b"<!doctype html>", "web_page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git_lfs_pointer"),
    ],
)
def test_what_is_no_picture_is_counted_by_what_it_is(tmp_path, content, reason):
    put(tmp_path, {"image/a.jpg": content, "alpha/a.png": ALPHA})
    put(tmp_path, {"image/b.png": SCENE, "alpha/b.png": content})
    assert read(tmp_path) == ([], Counter({reason: 1, f"alpha_{reason}": 1}))


def test_files_without_a_suffix_are_counted_but_for_notes(tmp_path):
    put(tmp_path, {"image/a": SCENE, "LICENSE": b"text", "README": b"text"})
    assert read(tmp_path) == ([], Counter({"without_suffix": 1}))


def test_an_encrypted_zip_says_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("image/a.png", png(SCENE))
        archive.writestr("alpha/a.png", png(ALPHA))
    content = bytearray((tmp_path / "data.zip").read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := content.find(signature, place + 1)) >= 0:
            content[place + flags] |= 1
    (tmp_path / "data.zip").write_bytes(content)
    assert read(tmp_path) == ([], Counter({"encrypted": 1}))


def test_zips_of_train_images_and_masks_are_folders(tmp_path):
    for name, pixels in {"train_images": SCENE, "train_masks": ALPHA}.items():
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr("a.png", png(pixels))
    assert len(read(tmp_path)[0]) == 1
