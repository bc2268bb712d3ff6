"""The one door for pictures: right values in every mode, and nothing else gets in."""

import io
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from models.imaging.decode import UndecodablePicture, decode_picture, grey_u8, open_picture

ROOT = Path(__file__).parents[4]


def ramp(height: int = 20, width: int = 30) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 8, y * 12, (x + y) * 5], axis=-1).astype(np.uint8)


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
def test_colours_are_kept(file_format):
    picture = decode_picture(encoded(Image.fromarray(ramp()), file_format))
    assert np.array_equal(picture.rgb, ramp())
    assert picture.alpha is None


def test_16_bits_are_rounded_not_clipped():
    values = np.linspace(21000, 50000, 600).reshape(20, 30).astype(np.uint16)
    picture = decode_picture(encoded(Image.fromarray(values), "PNG"))
    assert np.abs(picture.rgb[..., 0].astype(float) - values / 257).max() <= 0.5
    eight = values.astype(np.uint16) // 257
    assert np.array_equal(grey_u8(Image.fromarray(eight)), eight), "8 bits stored in 16"


def test_floats_are_a_share_of_white():
    unit = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    assert np.abs(grey_u8(Image.fromarray(unit)) - unit * 255).max() <= 0.5
    broken = unit.copy()
    broken[3, 3] = np.nan
    with pytest.raises(UndecodablePicture, match="not finite"):
        decode_picture(encoded(Image.fromarray(broken), "TIFF"))


def test_cmyk_and_palettes_come_as_rgb():
    flat = np.full((16, 16, 3), (200, 40, 90), np.uint8)
    for mode, file_format in (("CMYK", "JPEG"), ("CMYK", "TIFF"), ("P", "PNG"), ("P", "GIF")):
        image = Image.fromarray(flat)
        image = image.quantize(8) if mode == "P" else image.convert(mode)
        rgb = decode_picture(encoded(image, file_format)).rgb
        assert np.abs(rgb.astype(int) - flat).max() <= 4, (mode, file_format)


def test_a_transparent_colour_is_alpha():
    pixels = ramp()
    pixels[:, :10] = (0, 255, 0)
    content = encoded(Image.fromarray(pixels), "PNG", transparency=(0, 255, 0))
    picture = decode_picture(content)
    assert picture.alpha is not None
    assert (picture.alpha[:, :10] == 0).all()
    assert (picture.alpha[:, 10:] == 255).all()
    assert np.array_equal(picture.rgb[:, 10:], pixels[:, 10:])


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_channels_are_kept_beside_straight_colour(mode):
    rgba = np.dstack([ramp(), np.linspace(0, 255, 600).reshape(20, 30).astype(np.uint8)])
    if mode == "LA":
        rgba[..., :3] = rgba[..., :1]
    picture = decode_picture(encoded(Image.fromarray(rgba).convert(mode), "PNG"))
    assert np.array_equal(picture.alpha, rgba[..., 3])
    assert np.array_equal(picture.rgb, rgba[..., :3])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_come_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode_picture(encoded(Image.fromarray(ramp()), "PNG", exif=exif))
    turned = {
        1: ramp(), 2: ramp()[:, ::-1], 3: ramp()[::-1, ::-1], 4: ramp()[::-1],
        5: ramp().swapaxes(0, 1), 6: np.rot90(ramp(), -1), 7: ramp()[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(ramp()),
    }  # fmt: skip
    assert np.array_equal(picture.rgb, turned[orientation])
    assert picture.orientation == orientation


def test_an_embedded_profile_is_resolved():
    """A profile whose red and green are exchanged: what it calls red is green to the eye."""
    lab = ImageCms.profileToProfile(
        Image.fromarray(ramp()),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    rgb = decode_picture(encoded(lab, "TIFF", icc_profile=profile)).rgb
    assert np.abs(rgb.astype(int) - ramp())[:, 5:].mean() < 4
    plain = decode_picture(encoded(Image.fromarray(ramp()), "PNG", icc_profile=b"no profile"))
    assert np.array_equal(plain.rgb, ramp()), "a broken profile is passed over"


def test_of_an_animation_the_first_frame_counts():
    frames = [Image.fromarray(np.full((16, 16, 3), level, np.uint8)) for level in (10, 200)]
    for file_format in ("GIF", "WEBP", "PNG"):
        content = encoded(
            frames[0], file_format, save_all=True, append_images=frames[1:], lossless=True
        )
        assert np.abs(decode_picture(content).rgb.astype(int) - 10).max() <= 2, file_format


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n",
        b"P6 2 2 255 " + bytes(12),
        b"GIF89a",
        encoded(Image.fromarray(ramp()), "PNG")[:70],
        encoded(Image.fromarray(ramp()), "JPEG")[:150],
    ],
)
def test_other_formats_and_broken_ones_are_refused(content):
    with pytest.raises(UndecodablePicture) as refused:
        decode_picture(content)
    assert refused.value.reason == "unreadable"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty_file"),
        (b"\n<!DOCTYPE html><html><title>404</title>", "web_page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git_lfs_pointer"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00", "heic"),
        (b"%PDF-1.7", "pdf"),
    ],
)
def test_what_is_no_picture_is_named(content, word):
    with pytest.raises(UndecodablePicture, match=r"it is an? ") as refused:
        decode_picture(content)
    assert refused.value.reason == word


def test_an_eps_runs_nothing(monkeypatch):
    def run(*args: object, **more: object) -> None:
        raise AssertionError("a program was run")

    monkeypatch.setattr("subprocess.check_call", run)
    monkeypatch.setattr("subprocess.Popen", run)
    with pytest.raises(UndecodablePicture):
        open_picture(
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\nshowpage\n"
        )


def test_sizes_are_bounded_before_anything_is_unpacked():
    header = encoded(Image.new("L", (16, 16)), "PNG")
    sides = (13000).to_bytes(4, "big") * 2
    chunk = b"IHDR" + sides + header[24:29]
    bomb = header[:12] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + header[33:]
    for content, limit in ((bomb, 120_000_000), (encoded(Image.fromarray(ramp()), "PNG"), 599)):
        with pytest.raises(UndecodablePicture, match="pixels") as refused:
            decode_picture(content, limit)
        assert refused.value.reason == "too_large"


def test_nothing_else_in_the_project_opens_pictures():
    opened = re.compile(r"\bImage\.open\(|\bcv2\.|imageio|imread\(")
    others = [
        path
        for folder in ("core", "models", "workers", "service", "deploy", "matteforge")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "decode.py" and opened.search(path.read_text())
    ]
    assert others == []
