"""Pictures of twenty awkward kinds, and a network that takes what is bright for the subject."""

import io
import struct
import zlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageCms
from torch import Tensor, nn

from core import keys
from core.mattes import MatteBook, MatteOrder
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


# name -> (content, size of the result; None: it is refused)
AWKWARD: dict[str, tuple[bytes, tuple[int, int] | None]] = {
    "turned-6.jpg": (turned(6), (40, 60)),
    "turned-8.jpg": (turned(8), (40, 60)),
    "mirrored.jpg": (turned(2), (60, 40)),
    "cmyk.jpg": (saved(ramp().convert("CMYK"), "JPEG"), (60, 40)),
    "profile.jpg": (with_profile(), (60, 40)),
    "grey.png": (saved(ramp().convert("L"), "PNG"), (60, 40)),
    "sixteen.png": (sixteen_bits(), (60, 40)),
    "bits.png": (saved(ramp().convert("1"), "PNG"), (60, 40)),
    "palette.png": (with_palette(), (60, 40)),
    "grey-alpha.png": (saved(ramp().convert("LA"), "PNG"), (60, 40)),
    "rgba.png": (saved(ramp().convert("RGBA"), "PNG"), (60, 40)),
    "animated.gif": (animated("GIF"), (60, 40)),
    "animated.webp": (animated("WEBP"), (60, 40)),
    "pages.tiff": (animated("TIFF"), (60, 40)),
    "bitmap.bmp": (saved(ramp(), "BMP"), (60, 40)),
    "dot.png": (saved(ramp(1, 1), "PNG"), (1, 1)),
    "strip.png": (saved(ramp(3, 900), "PNG"), (900, 3)),
    "wrong-name.png": (saved(ramp(), "JPEG"), (60, 40)),
    "cut-off.png": (saved(ramp(), "PNG")[:100], None),
    "text.jpg": (b"no picture at all", None),
    "bomb.png": (png_that_claims(100_000, 100_000), None),
    "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n", None),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that take `awkward` run once for each of the pictures."""
    if "awkward" in metafunc.fixturenames:
        metafunc.parametrize("awkward", AWKWARD.values(), ids=AWKWARD)


@pytest.fixture
def bright() -> Bright:
    return Bright()


@pytest.fixture(scope="session")
def pictures() -> SimpleNamespace:
    """What makes pictures: `ramp(height, width)`, `saved(image, kind)`, and the awkward ones."""
    return SimpleNamespace(ramp=ramp, saved=saved, awkward=AWKWARD)


@pytest.fixture
def cut(bench, bright):
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
