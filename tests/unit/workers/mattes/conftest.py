"""Pictures of twenty awkward kinds, and a network that takes what is bright for the subject."""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from torch import Tensor, nn

from core import keys
from core.mattes import MatteBook, MatteOrder, MatteOutcome
from workers.mattes.run_matte import run_matte


class Bright(nn.Module):
    """Alpha is the mean of the channels: knows no context, so tiles must give the same."""

    def __init__(self, embed_dim: int = 96) -> None:
        super().__init__()
        self.scale = nn.Parameter(Tensor([1.0]))
        self.config = SimpleNamespace(embed_dim=embed_dim)
        self.seen: list[tuple[int, int]] = []

    def forward(self, image: Tensor) -> Tensor:
        self.seen.append((image.shape[-2], image.shape[-1]))
        return (image.mean(1, keepdim=True) * 0.23 + 0.45).clamp(0, 1) * self.scale


def ramp(height: int = 40, width: int = 60) -> Image.Image:
    """Dark at the left, bright at the right; red at the top."""
    y, x = np.mgrid[0:height, 0:width]
    red = np.where(y < height // 4, 255, x * 255 // max(1, width - 1))
    grey = x * 255 // max(1, width - 1)
    return Image.fromarray(np.dstack([red, grey, grey]).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG header without the pixels that it promises."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + b""


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(ramp(), "JPEG", exif=exif, quality=95)


def sixteen_bits() -> bytes:
    grey = np.linspace(0, 65535, 60, dtype=np.uint16)[None].repeat(40, 0)
    return saved(Image.fromarray(grey), "PNG")


def with_palette() -> bytes:
    return saved(ramp().quantize(16), "PNG", transparency=0)


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("black", "white")]
    return saved(ramp(), kind, save_all=True, append_images=frames, duration=50)


def with_profile() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return saved(ramp(), "JPEG", icc_profile=profile.tobytes())


def see_through(image: Image.Image) -> Image.Image:
    """Its left half is transparent."""
    seen = image.convert("LA" if image.mode in ("L", "LA") else "RGBA")
    seen.putalpha(Image.fromarray(np.repeat([[0, 255]], [30, 30], 1).repeat(40, 0).astype("u1")))
    return seen


def palette_seen() -> Image.Image:
    """What `with_palette` shows: its first colour is transparent."""
    image = ramp().quantize(16)
    seen = image.convert("RGBA")
    seen.putalpha(Image.fromarray((np.asarray(image) > 0).astype(np.uint8) * 255))
    return seen


def sixteen_seen() -> Image.Image:
    row = np.linspace(0, 255, 60)[None].repeat(40, 0)
    return Image.fromarray((row + 0.5).astype(np.uint8))


# name -> (content, what a person sees in it, RGB or RGBA; None: it is refused)
TURN = Image.Transpose
AWKWARD: dict[str, tuple[bytes, Image.Image | None]] = {
    "turned-6.jpg": (turned(6), ramp().transpose(TURN.ROTATE_270)),
    "turned-8.jpg": (turned(8), ramp().transpose(TURN.ROTATE_90)),
    "mirrored.jpg": (turned(2), ramp().transpose(TURN.FLIP_LEFT_RIGHT)),
    "cmyk.jpg": (saved(ramp().convert("CMYK"), "JPEG", quality=95), ramp()),
    "profile.jpg": (with_profile(), ramp()),
    "grey.png": (saved(ramp().convert("L"), "PNG"), ramp().convert("L")),
    "sixteen.png": (sixteen_bits(), sixteen_seen()),
    "bits.png": (saved(ramp().convert("1"), "PNG"), ramp().convert("1")),
    "palette.png": (with_palette(), palette_seen()),
    "grey-alpha.png": (
        saved(see_through(ramp().convert("LA")), "PNG"),
        see_through(ramp().convert("L")),
    ),
    "rgba.png": (saved(see_through(ramp().convert("RGBA")), "PNG"), see_through(ramp())),
    "animated.gif": (animated("GIF"), ramp()),
    "animated.webp": (animated("WEBP"), ramp()),
    "pages.tiff": (animated("TIFF"), ramp()),
    "bitmap.bmp": (saved(ramp(), "BMP"), ramp()),
    "dot.png": (saved(ramp(1, 1), "PNG"), ramp(1, 1)),
    "strip.png": (saved(ramp(3, 900), "PNG"), ramp(3, 900)),
    "wrong-name.png": (saved(ramp(), "JPEG", quality=95), ramp()),
    "cut-off.png": (saved(ramp(), "PNG")[:100], None),
    "text.jpg": (b"no picture at all", None),
    "bomb.png": (png_that_claims(100_000, 100_000), None),
    "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n", None),
}
LOSSY = {"turned-6.jpg", "turned-8.jpg", "mirrored.jpg", "cmyk.jpg", "profile.jpg",
         "wrong-name.png", "animated.webp", "animated.gif"}  # fmt: skip


def bright_alpha(seen: Image.Image) -> np.ndarray:
    """What Bright makes of a picture, worked out by hand: float [h, w], 0 to 255."""
    rgba = np.asarray(seen.convert("RGBA"), np.float64)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normalised = (rgba[..., :3] / 255 - mean) / deviation
    return (normalised.mean(-1) * 0.23 + 0.45).clip(0, 1) * rgba[..., 3]


def check_alpha(name: str, alpha: Image.Image) -> None:
    """The alpha of an awkward picture is the one expected, within what its format loses."""
    seen = AWKWARD[name][1]
    assert seen is not None
    assert (alpha.mode, alpha.size) == ("L", seen.size)
    error = np.abs(np.asarray(alpha, np.float64) - bright_alpha(seen))
    assert error.mean() < (3 if name in LOSSY else 0.6)
    assert error.max() < (40 if name in LOSSY else 1.1)


@pytest.fixture
def bright() -> Bright:
    return Bright()


@pytest.fixture(scope="session")
def pictures() -> SimpleNamespace:
    """What makes pictures: `ramp(height, width)`, `saved(image, kind)`; the awkward ones, and
    `check_alpha(name, alpha)` of those."""
    return SimpleNamespace(ramp=ramp, saved=saved, awkward=AWKWARD, check_alpha=check_alpha)


@pytest.fixture
def cut(bench: Any, bright: Bright) -> Callable[..., tuple[MatteOutcome, Image.Image | None]]:
    """Runs one picture through the worker: (outcome, result as an image or None)."""
    context = replace(bench.context, stylematte=lambda digest: bright)
    book = MatteBook(bench.store)

    def run(content: bytes, behind: bytes | None = None, **order: object):
        matte_id = book.put(MatteOrder(owner="o", bundle="b", **order), content, behind)
        run_matte(context, matte_id, max_pixels=1_000_000)
        outcome = book.outcome(matte_id)
        if outcome.code:
            return outcome, None
        result = Image.open(io.BytesIO(book.picture(matte_id, "result.png")))
        assert result.size == (outcome.width, outcome.height)
        left = set(bench.store.list_names(keys.matte(matte_id, "")))
        assert left == {"order.json", "outcome.json", "result.png"}
        return outcome, result

    return run
