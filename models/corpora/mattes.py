"""What a picture says as an alpha: in its A channel, as grey, or as a mask of two values."""

import numpy as np
from PIL import Image

from models.imaging.decode import alpha_channel, grey_u8
from models.imaging.pixels import U8, nearest_u8

COLOURFUL = 48  # levels between a pixel's channels that no JPEG of a grey picture has
COLOURFUL_SHARE = 0.01  # of the pixels


class NoMatte(ValueError):
    """A picture in colours is no alpha; its first argument is the reason that is counted."""


def read_matte(image: Image.Image) -> tuple[U8, tuple[str, ...]]:
    """Alpha as stored, uint8 [h, w], and notes on how it was read.

    A transparency that is in use is the alpha, whatever the colours show; else the grey is. A mask
    of 0 and one dark value (0 and 1, or a palette's first colours) means 0 and 255. Raises NoMatte,
    and ValueError for values that are not finite.
    """
    alpha = alpha_channel(image)
    if alpha is not None and alpha.min(initial=255) < 128:
        return alpha, ("alpha_from_a_channel",)
    if image.mode in ("P", "PA", "RGBA", "RGBX", "CMYK"):
        image = image.convert("RGB")
    grey = grey_u8(image)
    levels = np.unique(grey)
    if len(levels) == 2 and levels[0] == 0 and levels[1] < 128:
        return np.where(grey, np.uint8(255), np.uint8(0)), (f"mask_of_0_and_{levels[1]}",)
    if image.mode == "RGB" and _colourful(np.asarray(image)):
        raise NoMatte("alpha_in_colours")
    return grey, ()


def _colourful(rgb: U8) -> bool:
    spread = rgb.max(axis=2).astype(np.int16) - rgb.min(axis=2)
    return len(np.unique(rgb.reshape(-1, 3), axis=0)) > 2 and bool(
        (spread > COLOURFUL).mean() > COLOURFUL_SHARE
    )


def looks_premultiplied(rgb: U8, alpha: U8) -> bool:
    """Whether colour was multiplied by alpha: nowhere brighter than alpha, and darker with it.

    rgb: uint8 [h, w, 3]; alpha: uint8 [h, w]. Both must hold at soft edges, which a subject that is
    merely dark does not show; False where there are too few to tell.
    """
    brightest = rgb.max(axis=2)
    if (brightest > alpha.astype(np.int16) + 2).any():
        return False
    faint, dense = (
        brightest[(alpha >= 16) & (alpha < 112)],
        brightest[(alpha >= 144) & (alpha < 240)],
    )
    if min(len(faint), len(dense)) < 8:
        return False
    return float(np.median(faint)) < 0.75 * float(np.median(dense))


def unpremultiplied(rgb: U8, alpha: U8) -> U8:
    """Straight colour of a colour that was multiplied by alpha; black where alpha is 0."""
    weight = np.maximum(alpha, 1).astype(np.float32)[..., None]
    return np.where(alpha[..., None] > 0, nearest_u8(rgb * (np.float32(255) / weight)), 0)
