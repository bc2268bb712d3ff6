"""Bringing pictures to another size by area averaging, which keeps an image and its alpha
consistent."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.imaging.pixels import U8, nearest_u8

LEAST_ALPHA = 1e-4  # below it a pixel has no colour of its own


def resized(rgb: U8, alpha: U8, height: int, width: int, straight: bool) -> tuple[U8, U8]:
    """uint8 [h, w, 3] and [h, w], both by area averaging; straight colour is weighted by alpha, so
    that no colour of empty pixels bleeds in."""
    channels = rgb.astype(np.float32)
    weight = alpha.astype(np.float32)[..., None] / 255
    small = area(weight, height, width)
    if straight:
        premultiplied = area(channels * weight, height, width)
        channels = np.where(
            small > LEAST_ALPHA,
            premultiplied / np.maximum(small, LEAST_ALPHA),
            area(channels, height, width),
        )
    else:
        channels = area(channels, height, width)
    return nearest_u8(channels), nearest_u8(small[..., 0] * 255)


def area(channels: NDArray[np.floating], height: int, width: int) -> NDArray[np.float32]:
    """Floats [h, w, c] to float32 [height, width, c]: means of areas, or bicubic where it grows."""
    filter_ = Image.Resampling.BOX if height <= channels.shape[0] else Image.Resampling.BICUBIC
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize(
                (width, height), filter_
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
