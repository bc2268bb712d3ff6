"""What a picture says as an alpha: in its A channel, as grey, or as a mask of two values."""

import numpy as np
from PIL import Image

from models.imaging.decode import alpha_channel, grey_u8
from models.imaging.pixels import U8, nearest_u8

COLOURFUL = 48  # levels between a pixel's channels that no JPEG of a grey picture has
COLOURFUL_SHARE = 0.01  # of the pixels
SURE = 24  # levels from 0 or 255 that still mean nothing or all
BAND = 12  # levels about a trimap's middle value
TRIMAP_SHARE = 0.6  # of what is between; a soft edge has all values alike
SAME_ALPHA = 4.0  # levels of 255, in the mean


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
    if _is_trimap(grey):
        raise NoMatte("alpha_is_a_trimap")
    between = grey[(grey > 0) & (grey < 255)]
    if between.max(initial=0) < 64 and len(between) > (grey == 255).sum() > 0:
        raise NoMatte("alpha_is_a_label_map")  # numbers of classes, and 255 for none of them
    return grey, ()


def check_alpha(alpha: U8) -> U8:
    """The alpha, uint8 [h, w]. Raises NoMatte where it cuts nothing out, or all but the subject."""
    if not alpha.any():
        raise NoMatte("empty_alpha")
    if alpha.max() < 128:
        raise NoMatte("alpha_never_above_127")
    if alpha.min(initial=255) > 127:
        raise NoMatte("full_alpha")
    if _looks_inverted(alpha):
        raise NoMatte("alpha_looks_inverted")
    return alpha


def is_same_alpha(one: U8, other: U8) -> bool:
    """Whether two alphas, uint8 [h, w], say the same but for rounding and compression."""
    return one.shape == other.shape and bool(
        np.abs(one.astype(np.int16) - other).mean(dtype=np.float64) < SAME_ALPHA
    )


def shows_the_picture(alpha: U8, rgb: U8) -> bool:
    """Whether an alpha, uint8 [h, w], is the picture itself in grey, uint8 [h, w, 3]."""
    soft = (alpha >= SURE) & (alpha <= 255 - SURE)
    if alpha.shape != rgb.shape[:2] or soft.mean() < 0.5:  # a white subject on black is its alpha
        return False
    return is_same_alpha(grey_u8(Image.fromarray(rgb)), alpha)


def _is_trimap(grey: U8) -> bool:
    """A band of one value in the middle, wider than an edge, parts nothing from all; also where a
    JPEG or another size blurred its borders."""
    counts = np.bincount(grey.ravel(), minlength=256)
    if not (counts[:SURE].any() and counts[256 - SURE :].any()):
        return False
    middle = 96 + int(counts[96:160].argmax())
    between = int(counts[SURE : 256 - SURE].sum())
    if counts[middle - BAND : middle + BAND + 1].sum() <= TRIMAP_SHARE * between:
        return False
    band = np.abs(grey.astype(np.int16) - middle) <= BAND
    inner = band[1:-1, 1:-1] & band[:-2, 1:-1] & band[2:, 1:-1] & band[1:-1, :-2] & band[1:-1, 2:]
    return bool(inner.sum() > 0.25 * band.sum())


def _looks_inverted(alpha: U8) -> bool:
    """Opaque along the top and down the sides, and transparent between them: no subject is so."""
    height, width = alpha.shape
    upper, quarter = 2 * height // 3, width // 4
    frame = np.concatenate([alpha[0], alpha[:upper, 0], alpha[:upper, -1]])
    inner = alpha[:, quarter : width - quarter].mean(dtype=np.float64)
    outer = np.hstack([alpha[:, :quarter], alpha[:, width - quarter :]]).mean(dtype=np.float64)
    return bool(frame.mean() > 230 and (alpha < 64).mean() > 0.05 and inner < outer - 25)


def _colourful(rgb: U8) -> bool:
    spread = rgb.max(axis=2).astype(np.int16) - rgb.min(axis=2)
    if (spread > COLOURFUL).mean() <= COLOURFUL_SHARE:
        return False
    colours = np.unique(rgb.reshape(-1, 3), axis=0)
    return len(colours) > 2 or not (colours.sum(axis=1) == 0).any()


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
