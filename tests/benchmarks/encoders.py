"""PNG and WebP encoders a worker might use, those of packages that are installed; OTHERS names the
packages."""

import importlib
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.imaging.png import encode_png

Pixels = NDArray[np.uint8]
Encoder = Callable[[Pixels], bytes]
COLOUR_ONLY = ("fpng", "Pillow, lossless WebP, effort 0")


def encoders() -> dict[str, Encoder]:
    """Name -> encoder of uint8 [h, w] or [h, w, 3]."""
    found: dict[str, Encoder] = {
        "ours: up filter, libdeflate 1": encode_png,
        "Pillow's default (zlib 6)": pillow("PNG"),
        "Pillow, zlib 1": pillow("PNG", compress_level=1),
        "Pillow, lossless WebP, effort 0": pillow("WEBP", lossless=True, quality=0, method=0),
    }
    for name, (module, make) in OTHERS.items():
        try:
            found[name] = make(importlib.import_module(module))
        except ImportError:
            continue
    return found


def pillow(file_format: str, **options: object) -> Encoder:
    def encode(pixels: Pixels) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, file_format, **options)
        return buffer.getvalue()

    return encode


def opencv(cv2, *options: int) -> Encoder:
    return lambda p: cv2.imencode(".png", p[..., ::-1] if p.ndim == 3 else p, options)[1].tobytes()


def vips(pyvips) -> Encoder:
    return lambda p: pyvips.Image.new_from_array(p).pngsave_buffer(compression=1, filter="up")


OTHERS: dict[
    str, tuple[str, Callable[..., Encoder]]
] = {  # opencv-python-headless, imagecodecs, pyvips[binary], ...
    "OpenCV, its default": ("cv2", opencv),
    "OpenCV, zlib 1": ("cv2", lambda cv2: opencv(cv2, cv2.IMWRITE_PNG_COMPRESSION, 1)),
    "imagecodecs, libpng 1": (
        "imagecodecs",
        lambda codecs: lambda p: codecs.png_encode(p, level=1),
    ),
    "pyvips, up filter, zlib 1": ("pyvips", vips),
    "fpng": ("fpng", lambda fpng: fpng.from_ndarray),
    "up filter, zlib-ng 1": (
        "zlib_ng.zlib_ng",
        lambda z: lambda p: encode_png(p, lambda data: z.compress(data, 1)),
    ),
    "up filter, isal 1": (
        "isal.isal_zlib",
        lambda z: lambda p: encode_png(p, lambda data: z.compress(data, 1)),
    ),
}
