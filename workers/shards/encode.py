"""Pictures as files: lossless image or JPEG, grey alpha. Equal pixels give equal bytes."""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.imaging.png import encode_png

SUFFIX = {"png": "image.png", "webp": "image.webp", "jpeg": "image.jpg"}
ALPHA_SUFFIX = "alpha.png"


def encode_image(rgb_u8: NDArray[np.uint8], image_format: str) -> bytes:
    """uint8 [h, w, 3] -> file, png also [h, w, 4]. png and webp are lossless; jpeg is quality 95,
    chroma in full."""
    if image_format == "png":
        return encode_png(rgb_u8)
    if image_format == "webp":
        return _save(rgb_u8, "WEBP", lossless=True, quality=0, method=0)
    if image_format == "jpeg":
        return _save(rgb_u8, "JPEG", quality=95, subsampling=0)
    raise ValueError(f"unknown image format {image_format!r}; known: {', '.join(SUFFIX)}")


def encode_alpha(alpha: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """uint8 or uint16 [h, w] -> grey PNG of 8 or 16 bits."""
    return encode_png(alpha)


def encode_member(member: NDArray[np.uint8] | NDArray[np.uint16] | Mapping[str, Any]) -> bytes:
    """An array as `encode_png` takes it, or a mapping, as sorted JSON. ValueError: a number in it
    is not finite."""
    if isinstance(member, np.ndarray):
        return encode_png(member)
    return json.dumps(member, sort_keys=True, allow_nan=False).encode()


def _save(pixels: NDArray[np.generic], file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format, **options)
    return buffer.getvalue()
