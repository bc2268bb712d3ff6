"""Pictures as files: lossless image or JPEG, grey alpha. Equal pixels give equal bytes."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SUFFIX = {"png": "image.png", "webp": "image.webp", "jpeg": "image.jpg"}
ALPHA_SUFFIX = "alpha.png"


def encode_image(rgb_u8: NDArray[np.uint8], image_format: str) -> bytes:
    """uint8 [h, w, 3] -> file. png and webp are lossless; jpeg is quality 95 without chroma subsampling.

    Settings are the fastest that cost little: at 128 px png level 2 takes 1.7 ms for 7 % more bytes than level 9,
    which takes 18.6 ms; webp effort 0 is smaller than both.
    """
    if image_format == "png":
        return _save(rgb_u8, "PNG", compress_level=2)
    if image_format == "webp":
        return _save(rgb_u8, "WEBP", lossless=True, quality=0, method=0)
    if image_format == "jpeg":
        return _save(rgb_u8, "JPEG", quality=95, subsampling=0)
    raise ValueError(f"unknown image format {image_format!r}; known: {', '.join(SUFFIX)}")


def encode_alpha(alpha: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """uint8 or uint16 [h, w] -> grey PNG of 8 or 16 bits."""
    return _save(alpha, "PNG", compress_level=6)


def _save(pixels: NDArray[np.generic], file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format, **options)
    return buffer.getvalue()
