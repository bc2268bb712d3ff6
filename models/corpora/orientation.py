"""Which way up an alpha is, where the picture carries an EXIF orientation.

Tools that ignore EXIF make alphas of the stored pixels, others of the upright picture. The size
tells which where one turn exchanges the sides; else the alpha's edges must lie on the picture's.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.imaging.decode import UPRIGHT, upright
from models.imaging.pixels import U8, to_unit

CLEARLY = 1.25  # times as good as the next best
COMPARED_SIDE = 512  # pixels


class Unsettled(ValueError):
    """No turn fits; its first argument is the reason that is counted."""


def settle(rgb: U8, matte: U8, orientation: int, matte_orientation: int) -> tuple[U8, bool]:
    """The alpha that fits an upright picture, and whether it was not upright as it came.

    rgb: uint8 [h, w, 3], upright; matte: uint8, as stored; the orientations are EXIF's, of the
    stored pixels of both. Raises Unsettled: size_mismatch or orientation_unclear.
    """
    turns = dict.fromkeys((matte_orientation, UPRIGHT, orientation))
    candidates = {turn: upright(matte, turn) for turn in turns}
    fitting = [(turn, alpha) for turn, alpha in candidates.items() if alpha.shape == rgb.shape[:2]]
    distinct = [
        (turn, alpha)
        for number, (turn, alpha) in enumerate(fitting)
        if not any(np.array_equal(alpha, other) for _, other in fitting[:number])
    ]
    if not distinct:
        raise Unsettled("size_mismatch")
    if len(distinct) > 1:
        distinct.sort(key=lambda each: -_agreement(rgb, each[1]))
        if _agreement(rgb, distinct[0][1]) < CLEARLY * _agreement(rgb, distinct[1][1]):
            raise Unsettled("orientation_unclear")
    turn, alpha = distinct[0]
    return alpha, turn != matte_orientation


def _agreement(rgb: U8, alpha: U8) -> float:
    """How well alpha parts the picture: contrast across its edge times difference of its sides."""
    small, cover = _reduced(rgb).astype(np.float32), to_unit(_reduced(alpha))
    edge = _steepness(cover)
    if edge.sum() == 0:
        return 0.0
    contrast = float((edge * _steepness(small.mean(axis=2, dtype=np.float32))).sum() / edge.sum())
    inside = (small * cover[..., None]).sum((0, 1)) / max(float(cover.sum()), 1e-6)
    outside = (small * (1 - cover[..., None])).sum((0, 1)) / max(float((1 - cover).sum()), 1e-6)
    return (contrast + 1) * (float(np.abs(inside - outside).mean()) + 1)


def _steepness(values: NDArray[np.floating]) -> NDArray[np.floating]:
    rows, columns = np.gradient(values)
    return np.hypot(rows, columns)


def _reduced(pixels: U8) -> U8:
    image = Image.fromarray(pixels)
    image.thumbnail((COMPARED_SIDE, COMPARED_SIDE), Image.Resampling.BOX)
    return np.asarray(image)
