"""One picture, from the store to the store."""

import logging
import time

from torch import nn

from core.errors import MatteForgeError, NotFound, PictureRejected, TransientError
from core.mattes import BACKGROUND, IMAGE, PICTURE, MatteBook, MatteOrder, MatteOutcome
from models.imaging.decode import DecodedPicture, UndecodablePicture, decode_picture
from models.imaging.pixels import U8
from workers.context import Context
from workers.mattes.cut_out import cut_out

MAX_PIXELS = 50_000_000
MAX_TRIES, TRIES_S = 3, 3600.0  # a picture that kills its worker is given up
KINDS = "PNG, JPEG, WebP, TIFF, GIF, BMP or AVIF"
LARGE_SIDE, SMALL_SIDE = 1024, 128
PAPER_WIDTH = 96  # channels of the first stage of Swin-T, which the paper's StyleMatte has
SMALL_NETWORK = (
    "this StyleMatte is a small one, trained at 64 to 128 px on rendered people: in a real "
    "photograph it finds a person only half; name another one with `model`"
)

log = logging.getLogger(__name__)


def run_matte(context: Context, matte_id: str, max_pixels: int = MAX_PIXELS) -> None:
    """Make what was asked for and tell how it ended. A message for what has ended, or was swept,
    does nothing. Raises TransientError: worth another try."""
    book, name = MatteBook(context.catalog.store), f"matte:{matte_id}"
    try:
        order = book.order(matte_id)
        if book.outcome(matte_id) is not None:
            return
        if context.leases.begin_try(name, TRIES_S) > MAX_TRIES:
            raise PictureRejected(f"{MAX_TRIES} workers ended while they worked on this picture")
        background = None
        if order.background == PICTURE:
            behind = book.picture(matte_id, BACKGROUND)
            background = decoded(behind, "the background", max_pixels).rgb
        outcome, result = matte_of(
            context, order, book.picture(matte_id, IMAGE), background, max_pixels
        )
    except NotFound:
        log.info("%s is gone", matte_id)
        return
    except TransientError:
        context.leases.end_try(name)
        raise
    except MatteForgeError as error:
        outcome, result = MatteOutcome(code=error.code, detail=error.detail), None
    book.end(matte_id, outcome, result)
    context.leases.end_try(name)


def matte_of(
    context: Context, order: MatteOrder, content: bytes, background: U8 | None, max_pixels: int
) -> tuple[MatteOutcome, bytes]:
    """How it went, and a PNG. background: uint8 [h, w, 3] of any size. Raises PictureRejected."""
    began_s = time.monotonic()
    picture = decoded(content, "the picture", max_pixels)
    matte = context.stylematte(order.bundle)
    side = order.side or (SMALL_SIDE if is_small(matte) else LARGE_SIDE)
    result = cut_out(matte, picture, order, background, side=side)
    height, width = picture.rgb.shape[:2]
    outcome = MatteOutcome(
        width=width,
        height=height,
        side=min(side, max(height, width)),
        seconds=round(time.monotonic() - began_s, 3),
        notice=SMALL_NETWORK if is_small(matte) else None,
    )
    return outcome, result


def is_small(matte: nn.Module) -> bool:
    """Is it narrower than the paper's?"""
    width: int = matte.config.embed_dim  # type: ignore[union-attr, assignment]
    return width < PAPER_WIDTH


def decoded(content: bytes, what: str, max_pixels: int) -> DecodedPicture:
    """The picture in pixels. Raises PictureRejected, which begins with `what`."""
    try:
        return decode_picture(content, max_pixels)
    except UndecodablePicture as error:
        if error.reason == "unreadable":  # Pillow's own words are of no use to a person
            raise PictureRejected(f"{what} is damaged, or not {KINDS}") from error
        if error.reason != "too_large":
            raise PictureRejected(f"{what} can't be used: {error}; {KINDS} can") from error
        raise PictureRejected(f"{what} is too large: {error}") from error
