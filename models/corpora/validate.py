"""From an entry of a source to a checked sample: decoded, bounded in size, named by its content."""

import hashlib
import zlib
from dataclasses import dataclass

import numpy as np

from core.corpora import KEY_DIGITS
from matteforge.schemas.corpora import CorpusKind
from models.corpora.mattes import (
    NoMatte,
    check_alpha,
    is_same_alpha,
    looks_premultiplied,
    read_matte,
    shows_the_picture,
    unpremultiplied,
)
from models.corpora.members import BROKEN_ARCHIVE, Read, Unusable
from models.corpora.orientation import Unsettled, settle
from models.corpora.pairing import Entry
from models.imaging.decode import (
    MAX_PIXELS,
    DecodedPicture,
    UndecodablePicture,
    decode_picture,
    open_picture,
    orientation_of,
)
from models.imaging.pixels import U8
from models.imaging.resize import bounded_size, resized, resized_rgb

SMALLEST = 16  # pixels a side


class Refused(Exception):
    """The entry is left out; its first argument is the reason that is counted."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """rgb: uint8 [h, w, 3]; alpha: uint8 [h, w] or None; straight: rgb is the subject's own colour,
    not a scene; foreground: that colour beside a scene, uint8 [h, w, 3], where it is known."""

    key: str
    rgb: U8
    alpha: U8 | None
    straight: bool
    foreground: U8 | None = None
    notes: tuple[str, ...] = ()  # what was done to read it, in words that are counted


def check_entry(
    entry: Entry,
    kind: CorpusKind,
    max_side: int,
    *,
    premultiplied: bool | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Sample:
    """Decode and check an entry; its longer side is brought down to `max_side` by area averaging.

    premultiplied: whether colours of cut-outs were multiplied by alpha; None looks at them. The key
    is taken of the picture before it is resized. Raises Refused.
    """
    if entry.image is None:
        raise Refused("no_image")
    picture = _decode(entry.image, max_pixels)
    if min(picture.rgb.shape[:2]) < SMALLEST:
        raise Refused("too_small")
    alpha, straight, notes = None, False, entry.notes
    rgb = picture.rgb
    if kind is CorpusKind.PAIRS:
        alpha, straight, more = _alpha(entry, picture, max_pixels)
        notes += more
        if straight and (
            looks_premultiplied(rgb, alpha) if premultiplied is None else premultiplied
        ):
            rgb, notes = unpremultiplied(rgb, alpha), (*notes, "premultiplied")
    key = content_key(rgb, alpha if straight else None)
    foreground = None if alpha is None else _foreground(entry, rgb, max_pixels)
    height, width = bounded_size(rgb.shape[0], rgb.shape[1], max_side)
    if min(height, width) < SMALLEST:
        raise Refused("too_narrow")
    if foreground is not None and alpha is not None:
        foreground = resized(foreground, alpha, height, width, straight=True)[0]
    rgb, alpha = _resized(rgb, alpha, height, width, straight)
    return Sample(
        key=key, rgb=rgb, alpha=alpha, straight=straight, foreground=foreground, notes=notes
    )


def content_key(rgb: U8, alpha: U8 | None = None) -> str:
    """The SHA-256 of size and pixels, shortened. The file's format and name do not matter."""
    digest = hashlib.sha256(str(rgb.shape).encode())
    digest.update(np.ascontiguousarray(rgb).data)
    if alpha is not None:
        digest.update(np.ascontiguousarray(alpha).data)
    return digest.hexdigest()[:KEY_DIGITS]


def _content(read: Read) -> bytes:
    try:
        return read()
    except Unusable as error:
        raise Refused(str(error)) from error
    except (*BROKEN_ARCHIVE, zlib.error) as error:
        raise Refused("unreadable") from error


def _decode(read: Read, max_pixels: int) -> DecodedPicture:
    try:
        return decode_picture(_content(read), max_pixels)
    except UndecodablePicture as error:
        raise Refused(error.reason) from error


def _alpha(
    entry: Entry, picture: DecodedPicture, max_pixels: int
) -> tuple[U8, bool, tuple[str, ...]]:
    """The alpha of a pair, whether the picture is the subject's own colour, and notes."""
    own = picture.alpha if picture.alpha is not None and picture.alpha.min() < 255 else None
    try:
        if entry.alpha is None:
            if own is None:
                raise Refused("no_alpha")
            return check_alpha(own), True, ()
        image = open_picture(_content(entry.alpha), max_pixels)
        matte, notes = read_matte(image)
        alpha, turned = settle(picture.rgb, matte, picture.orientation, orientation_of(image))
        check_alpha(alpha)
        if shows_the_picture(alpha, picture.rgb):
            raise NoMatte("alpha_is_the_picture")
    except UndecodablePicture as error:
        raise Refused(f"alpha_{error.reason}") from error
    except (NoMatte, Unsettled) as error:
        raise Refused(str(error)) from error
    except ValueError as error:
        raise Refused("alpha_unreadable") from error
    if turned:
        notes += ("alpha_turned_by_exif",)
    if own is None or entry.straight or not is_same_alpha(own, alpha):
        return alpha, entry.straight, notes
    return alpha, True, (*notes, "cut_out_beside_its_alpha")


def _foreground(entry: Entry, rgb: U8, max_pixels: int) -> U8 | None:
    """The subject's own colour beside a scene; None where it is missing or does not fit."""
    if entry.foreground is None:
        return None
    try:
        found = _decode(entry.foreground, max_pixels).rgb
    except Refused:
        return None
    return found if found.shape == rgb.shape else None


def _resized(
    rgb: U8, alpha: U8 | None, height: int, width: int, straight: bool
) -> tuple[U8, U8 | None]:
    if (height, width) == rgb.shape[:2]:
        return rgb, alpha
    if alpha is None:
        return resized_rgb(rgb, height, width), None
    return resized(rgb, alpha, height, width, straight)
