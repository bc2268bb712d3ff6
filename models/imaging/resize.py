"""Bringing pictures to another size by area averaging, which keeps an image and its alpha
consistent. Large ones are averaged strip by strip, so that memory stays bounded."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.imaging.pixels import U8, nearest_u8

LEAST_ALPHA = 1e-4  # below it a pixel has no colour of its own
STRIP_PIXELS = 4_000_000  # of a source that are averaged at once, in float32


def bounded_size(height: int, width: int, max_side: int) -> tuple[int, int]:
    """Both sides by one factor, so that the longer one is at most `max_side` pixels."""
    factor = min(1.0, max_side / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def resized(rgb: U8, alpha: U8, height: int, width: int, straight: bool) -> tuple[U8, U8]:
    """uint8 [h, w, 3] and [h, w], both by area averaging; straight colour is weighted by alpha, so
    that no colour of empty pixels bleeds in."""
    return resized_rgb(rgb, height, width, alpha if straight else None), resized_rgb(
        alpha[..., None], height, width
    )[..., 0]


def resized_rgb(pixels: U8, height: int, width: int, weight: U8 | None = None) -> U8:
    """uint8 [h, w, c] to uint8 [height, width, c]: means of areas, or bicubic where it grows;
    weighted by uint8 [h, w] if given."""
    out = np.empty((height, width, pixels.shape[2]), np.uint8)
    rows = max(1, height * STRIP_PIXELS // (pixels.shape[0] * pixels.shape[1]))
    for top in range(0, height, rows if height < pixels.shape[0] else height):
        strip = slice(top, min(top + rows, height) if height < pixels.shape[0] else height)
        part = _strip(pixels, height, width, strip)
        if weight is not None:
            share = _strip(weight[..., None], height, width, strip) / 255
            whole = _strip(pixels, height, width, strip, weight)
            part = np.where(share > LEAST_ALPHA, whole / np.maximum(share, LEAST_ALPHA), part)
        out[strip] = nearest_u8(part)
    return out


def _strip(
    pixels: U8, height: int, width: int, strip: slice, weight: U8 | None = None
) -> NDArray[np.float32]:
    """Rows `strip` of the picture resized to [height, width], float32 [rows, width, c]."""
    scale = pixels.shape[0] / height
    first = max(0, int(strip.start * scale) - 1)
    last = min(pixels.shape[0], int(np.ceil(strip.stop * scale)) + 1)
    part = pixels[first:last].astype(np.float32)
    if weight is not None:
        part *= weight[first:last, :, None].astype(np.float32) / 255
    bottom = min(strip.stop * scale, pixels.shape[0]) - first
    box = (0.0, strip.start * scale - first, float(pixels.shape[1]), bottom)
    return area(part, strip.stop - strip.start, width, box)


def area(
    channels: NDArray[np.floating],
    height: int,
    width: int,
    box: tuple[float, float, float, float] | None = None,
) -> NDArray[np.float32]:
    """Floats [h, w, c] to float32 [height, width, c]: means of areas, or bicubic where it grows.

    box: left, top, right, bottom of the part that is taken; None takes all.
    """
    filter_ = Image.Resampling.BOX if height <= channels.shape[0] else Image.Resampling.BICUBIC
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize(
                (width, height), filter_, box=box
            )
        )
        for plane in np.moveaxis(channels, -1, 0)
    ]
    return np.stack(planes, axis=-1)


def middle_square(pixels: U8) -> U8:
    """[h, w, ...] -> its middle, as high as wide."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]
