"""From an entry of a source to a checked sample: decoded, bounded in size, named by its content."""

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from core.corpora import KEY_DIGITS
from matteforge.schemas.corpora import CorpusKind
from models.corpora.formats import Entry, Read
from models.imaging.pixels import U8, nearest_u8, u8_from_u16
from models.imaging.resize import area, resized

SMALLEST = 16  # pixels a side
UNREADABLE = (  # what reading from a disk or an archive, and decoding, may raise
    UnidentifiedImageError,
    OSError,
    ValueError,
    SyntaxError,
    Image.DecompressionBombError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
)


class Refused(Exception):
    """The entry is left out; its first argument is the reason that is counted."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """rgb: uint8 [h, w, 3]; alpha: uint8 [h, w] or None; straight: rgb is the subject's own colour,
    not a scene."""

    key: str
    rgb: U8
    alpha: U8 | None
    straight: bool


def check_entry(entry: Entry, kind: CorpusKind, max_side: int) -> Sample:
    """Decode and check an entry; its longer side is brought down to `max_side` by area averaging.

    The key is taken of the picture before it is resized. Raises Refused.
    """
    if entry.image is None:
        raise Refused("no_image")
    picture = _decode(entry.image)
    alpha, straight = None, False
    if kind is CorpusKind.PAIRS:
        if entry.alpha is not None:
            alpha = grey_u8(_decode(entry.alpha))
        elif "A" in picture.getbands():
            alpha, straight = np.asarray(picture.getchannel("A")), True
        else:
            raise Refused("no_alpha")
        _check_alpha(alpha, picture)
    rgb = np.asarray(picture.convert("RGB"))
    if min(rgb.shape[:2]) < SMALLEST:
        raise Refused("too_small")
    key = content_key(rgb, alpha if straight else None)
    rgb, alpha = _bounded(rgb, alpha, max_side, straight)
    return Sample(key=key, rgb=rgb, alpha=alpha, straight=straight)


def grey_u8(image: Image.Image) -> U8:
    """A picture as grey, uint8 [h, w]. 16 bits are rounded to 8; Pillow's own conversion would clip
    them."""
    if image.mode.startswith("I;16"):
        return u8_from_u16(np.asarray(image, np.uint16))
    return np.asarray(image.convert("L"))


def content_key(rgb: U8, alpha: U8 | None = None) -> str:
    """The SHA-256 of size and pixels, shortened. The file's format and name do not matter."""
    digest = hashlib.sha256(str(rgb.shape).encode())
    digest.update(rgb.tobytes())
    if alpha is not None:
        digest.update(alpha.tobytes())
    return digest.hexdigest()[:KEY_DIGITS]


def _decode(read: Read) -> Image.Image:
    try:
        with Image.open(io.BytesIO(read())) as image:
            upright = ImageOps.exif_transpose(image)
            upright.load()
            return upright.convert("RGBA") if upright.mode in ("P", "PA", "LA") else upright
    except UNREADABLE as error:
        raise Refused("unreadable") from error


def _check_alpha(alpha: U8, picture: Image.Image) -> None:
    if alpha.shape != (picture.height, picture.width):
        raise Refused("size_mismatch")
    if alpha.max() < 128:
        raise Refused("empty_alpha")
    if alpha.min() > 127:
        raise Refused("full_alpha")


def _bounded(rgb: U8, alpha: U8 | None, max_side: int, straight: bool) -> tuple[U8, U8 | None]:
    factor = max_side / max(rgb.shape[:2])
    if factor >= 1:
        return rgb, alpha
    height, width = (max(1, round(side * factor)) for side in rgb.shape[:2])
    if alpha is None:
        return nearest_u8(area(rgb.astype(np.float32), height, width)), None
    return resized(rgb, alpha, height, width, straight)
