"""The one door by which pictures come in: few formats, bounded in pixels, upright, in sRGB.

Nothing else in the project opens a picture. Decoders that run other programs (EPS), or that nobody
needs here, are never reached, whatever a file calls itself.
"""

import io
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from models.imaging.foreign_content import MEANING, foreign_word
from models.imaging.pixels import U8, nearest_u8, u8_from_u16

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "AVIF")
MAX_PIXELS = 120_000_000  # 12,000 x 10,000: the largest phone cameras' 108 megapixels pass
MAX_FILE_BYTES = 512 * 1024 * 1024
UPRIGHT = 1  # EXIF orientation of a picture that needs no turning
ORIENTATION = 0x0112  # EXIF tag
TURNS = {  # EXIF orientation -> what brings the stored pixels upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
BROKEN = (  # what Pillow raises for content that it can't make sense of
    UnidentifiedImageError,
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    IndexError,
    KeyError,
    EOFError,
    OverflowError,
    RuntimeError,
    MemoryError,
    zlib.error,
)


class UndecodablePicture(ValueError):
    """The content is no picture of the allowed formats, is broken, or is too large.

    `reason` is a stable word: too_large, unreadable, or what it is instead, of
    models.imaging.foreign_content.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class DecodedPicture:
    """rgb: uint8 [h, w, 3], sRGB, upright; alpha: uint8 [h, w], or None where nothing is
    transparent."""

    rgb: U8
    alpha: U8 | None
    orientation: int = UPRIGHT  # EXIF's, of the stored pixels; it is applied already


def open_picture(source: bytes | Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The first frame of a file or its content, loaded, in the mode and orientation it has there.

    Raises UndecodablePicture; FileNotFoundError for a path that isn't there.
    """
    if isinstance(source, Path):
        if source.stat().st_size > MAX_FILE_BYTES:
            raise _too_large(f"the file has more than {MAX_FILE_BYTES} bytes")
        source = source.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, on oddities that it reads all the same
            image = Image.open(io.BytesIO(source), formats=FORMATS)
            if image.width * image.height > max_pixels:
                raise _too_large(
                    f"{image.width} x {image.height} pixels; at most {max_pixels} are decoded"
                )
            image.load()
    except Image.DecompressionBombError as error:
        raise _too_large(f"at most {max_pixels} pixels are decoded") from error
    except UndecodablePicture:
        raise
    except BROKEN as error:
        if word := foreign_word(source):
            raise UndecodablePicture(word, f"it is {MEANING[word]}") from error
        raise UndecodablePicture("unreadable", f"{type(error).__name__}: {error}") from error
    return image


def decode_picture(source: bytes | Path, max_pixels: int = MAX_PIXELS) -> DecodedPicture:
    """A picture of any allowed format and mode, upright and in sRGB.

    16 bits are rounded to 8; palettes, transparent colours (tRNS), CMYK and embedded ICC profiles
    are resolved. Raises UndecodablePicture.
    """
    image = open_picture(source, max_pixels)
    orientation = orientation_of(image)
    try:
        if orientation != UPRIGHT:
            image = image.transpose(TURNS[orientation])
        alpha = alpha_channel(image)
        rgb = np.asarray(_srgb(image))
    except BROKEN as error:
        raise UndecodablePicture("unreadable", f"{type(error).__name__}: {error}") from error
    return DecodedPicture(rgb=rgb, alpha=alpha, orientation=orientation)


def orientation_of(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none, or a senseless one."""
    try:
        found = image.getexif().get(ORIENTATION, UPRIGHT)
    except BROKEN:
        return UPRIGHT
    return found if found in TURNS else UPRIGHT


def alpha_channel(image: Image.Image) -> U8 | None:
    """Transparency as uint8 [h, w], from a channel, a palette or one transparent colour; else
    None."""
    if image.mode.startswith("I") and isinstance(image.info.get("transparency"), int):
        return np.where(np.asarray(image) == image.info["transparency"], 0, 255).astype(np.uint8)
    if image.has_transparency_data:
        return np.asarray(image.convert("RGBA").getchannel("A"))
    return None


def grey_u8(image: Image.Image) -> U8:
    """A picture as grey, uint8 [h, w], transparency dropped.

    16 bits are rounded to 8 (Pillow's own conversion would clip them), unless no value is above
    255: then 8 bits were stored in 16. Floats are in [0, 1], in [0, 255] or of 16 bits, by the
    largest of them. ValueError: not finite.
    """
    if image.mode.startswith("I"):
        return _from_16_bits(np.asarray(image))
    if image.mode == "F":
        values = np.asarray(image)
        if not np.isfinite(values).all():
            raise ValueError("its values are not finite")
        if values.max(initial=0) > 255:
            return _from_16_bits(np.rint(values))
        return nearest_u8(values * (255.0 if values.max(initial=0) <= 1 else 1.0))
    return np.asarray(image.convert("L"))


def _from_16_bits(values: NDArray[np.generic]) -> U8:
    wide = np.asarray(values).astype(np.int64).clip(0, 65535)
    if wide.max(initial=0) <= 255:
        return wide.astype(np.uint8)
    return u8_from_u16(wide.astype(np.uint16))


def _srgb(image: Image.Image) -> Image.Image:
    """The colours alone, as RGB."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(grey_u8(image)).convert("RGB")
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    if image.mode in ("RGBA", "RGBX", "LA", "La", "RGBa"):
        icc = image.info.get("icc_profile")
        image = image.convert("L" if image.mode in ("LA", "La") else "RGB")
        image.info["icc_profile"] = icc
    return _converted(image).convert("RGB")


def _converted(image: Image.Image) -> Image.Image:
    """From its embedded profile to sRGB; a profile that doesn't fit or can't be read is passed
    over."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK", "L", "LAB"):
        return image
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(embedded):
            return image
        return _to_srgb(image, embedded)
    except (ImageCms.PyCMSError, *BROKEN):
        return image


def _to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(
        image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    return image if converted is None else converted


def upright(pixels: U8, orientation: int) -> U8:
    """Stored pixels, [h, w] or [h, w, c], turned by an EXIF orientation."""
    if orientation == UPRIGHT:
        return pixels
    return np.asarray(Image.fromarray(pixels).transpose(TURNS[orientation]))


def _too_large(detail: str) -> UndecodablePicture:
    return UndecodablePicture("too_large", detail)
