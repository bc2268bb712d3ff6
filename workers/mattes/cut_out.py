"""From a picture to its alpha, a cut-out or a composite over something else. No store, no queue."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter
from torch import nn

from core.mattes import BLUR, MatteOrder
from models.imaging.blur_fusion import estimate_foreground
from models.imaging.compositing import over
from models.imaging.decode import DecodedPicture
from models.imaging.pixels import U8, nearest_u8, to_unit
from models.imaging.png import encode_png
from models.networks.stylematte.whole_picture import alpha_of_picture

WHITE = np.full(3, 255, np.uint8)
BLUR_SHARE = 0.02  # radius of the blur, of the longer side
ROWS = 256  # composited at once
ESTIMATED_PIXELS = 2_000_000  # of the copy in which a large picture's foreground is estimated
NEARLY_OPAQUE = 0.9


def cut_out(
    matte: nn.Module,
    picture: DecodedPicture,
    order: MatteOrder,
    background: U8 | None,
    *,
    side: int,
) -> bytes:
    """A PNG: grey alpha, straight RGBA, or RGB over the background.

    What is transparent in the picture stays so. background: uint8 [h, w, 3] of any size, for
    composites over a picture.
    """
    alpha = alpha_of_picture(matte, picture.rgb, side=side)
    alpha_u8 = nearest_u8(alpha * 255)
    if picture.alpha is not None:
        alpha_u8 = nearest_u8(alpha * picture.alpha)
    del alpha
    if order.output == "alpha":
        return encode_png(alpha_u8)
    cutout = cutout_rgba(picture.rgb, alpha_u8)
    if order.output == "cutout":
        return encode_png(cutout)
    return encode_png(composite_rows(cutout, _behind(picture.rgb, alpha_u8, order, background)))


def cutout_rgba(rgb: U8, alpha_u8: U8) -> U8:
    """uint8 [h, w, 4] with the subject's own colour, without what shines through its soft edges.

    Of a large picture the colour is estimated in a smaller copy; nearly opaque pixels show it
    themselves.
    """
    height, width = alpha_u8.shape
    scale = min(1.0, (ESTIMATED_PIXELS / (height * width)) ** 0.5)
    if scale == 1:
        colour = estimate_foreground(rgb, to_unit(alpha_u8))
        return np.dstack([colour, alpha_u8])
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))
    colour = estimate_foreground(small, _plane(alpha_u8, size) / np.float32(255))
    out = np.empty((height, width, 4), np.uint8)
    grown = Image.fromarray(colour).resize((width, height), Image.Resampling.BILINEAR)
    out[..., :3] = np.asarray(grown)
    out[..., 3] = alpha_u8
    for top in range(0, height, ROWS):
        rows = slice(top, top + ROWS)
        opacity = to_unit(alpha_u8[rows, :, None])
        own = ((opacity - NEARLY_OPAQUE) / (1 - NEARLY_OPAQUE)).clip(0)
        out[rows, :, :3] = nearest_u8(over(_float(rgb[rows]), own, _float(out[rows, :, :3])))
    return out


def composite_rows(rgba: U8, background: U8) -> U8:
    """Straight uint8 [h, w, 4] over uint8 [h, w, 3] or [3], some rows at a time."""
    behind = np.broadcast_to(background, (*rgba.shape[:2], 3))
    out = np.empty((*rgba.shape[:2], 3), np.uint8)
    for top in range(0, len(rgba), ROWS):
        rows = slice(top, top + ROWS)
        weight = to_unit(rgba[rows, :, 3:])
        out[rows] = nearest_u8(over(_float(rgba[rows, :, :3]), weight, _float(behind[rows])))
    return out


def _behind(rgb: U8, alpha_u8: U8, order: MatteOrder, background: U8 | None) -> U8:
    if background is not None:
        return covering(background, *rgb.shape[:2])
    if order.background == BLUR:
        return blurred_surroundings(rgb, alpha_u8)
    if order.background is None:
        return WHITE
    return np.frombuffer(bytes.fromhex(order.background[1:]), np.uint8)


def covering(rgb: U8, height: int, width: int) -> U8:
    """A picture's middle, as large as fits the shape of [height, width], in that size."""
    scale = max(height / rgb.shape[0], width / rgb.shape[1])
    box_height, box_width = height / scale, width / scale
    top, left = (rgb.shape[0] - box_height) / 2, (rgb.shape[1] - box_width) / 2
    box = (left, top, left + box_width, top + box_height)
    filter_ = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(rgb).resize((width, height), filter_, box=box))


def blurred_surroundings(rgb: U8, alpha_u8: U8) -> U8:
    """The picture without its subject, blurred: uint8 [h, w, 3].

    Colour is weighted by 1 - alpha before the blur and divided by it afterwards, so that nothing
    of the subject is smeared around it.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, 768 / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    radius = max(1.0, BLUR_SHARE * max(size))
    seen = np.float32(1) - _plane(alpha_u8, size) / np.float32(255)
    weight = _blur(seen, radius)
    far = _blur(seen, 8 * radius)  # inside a large subject nothing near it is seen
    planes = []
    for channel in range(3):
        colour = _plane(rgb[..., channel], size) * seen
        near_colour = _blur(colour, radius) + 0.01 * _blur(colour, 8 * radius)
        mean = colour.sum() / max(float(seen.sum()), 1e-6)
        planes.append((near_colour + 1e-4 * mean) / (weight + 0.01 * far + 1e-4))
    small = nearest_u8(np.stack(planes, -1).clip(0, 255))
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def _float(pixels: U8) -> NDArray[np.float32]:
    return pixels.astype(np.float32)


def _plane(channel: U8, size: tuple[int, int]) -> NDArray[np.float32]:
    resized = Image.fromarray(np.ascontiguousarray(channel)).resize(size, Image.Resampling.BOX)
    return np.asarray(resized, np.float32)


def _blur(plane: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Two box filters, one after the other: a triangle."""
    width = 2 * round(radius) + 1
    blurred = uniform_filter(uniform_filter(plane, width, mode="nearest"), width, mode="nearest")
    return np.asarray(blurred, np.float32)
