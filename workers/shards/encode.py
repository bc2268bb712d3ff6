"""Pictures as files: lossless image or JPEG, grey alpha. Equal pixels give equal bytes."""

import io
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import deflate
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SUFFIX = {"png": "image.png", "webp": "image.webp", "jpeg": "image.jpg"}
ALPHA_SUFFIX = "alpha.png"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # channels: grey, RGB, RGBA
FILTER_UP = 2


def _libdeflate(data: memoryview) -> bytearray:
    return deflate.zlib_compress(data, 1)


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


def encode_png(
    pixels: NDArray[np.uint8] | NDArray[np.uint16],
    compress: Callable[[memoryview], bytes | bytearray] = _libdeflate,
) -> bytes:
    """uint8 or uint16 [h, w] or [h, w, 1, 3 or 4] -> PNG: rows as differences to the one above,
    libdeflate's level 1.

    PNG (ISO/IEC 15948), clauses 5 and 9. docs/performance.md compares it with other encoders.
    Raises ValueError for other shapes.
    """
    height, width, channels = (*pixels.shape, 1)[:3]
    if channels not in COLOUR_TYPES or pixels.ndim not in (2, 3):
        raise ValueError(f"PNG has 1, 3 or 4 channels, not an array of shape {pixels.shape}")
    depth, colour_type = 8 * pixels.dtype.itemsize, COLOUR_TYPES[channels]
    rows = (
        np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">"))
        .view(np.uint8)
        .reshape(height, -1)
    )
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = FILTER_UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    data = bytes(compress(filtered.data))
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
    )


def _save(pixels: NDArray[np.generic], file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format, **options)
    return buffer.getvalue()
