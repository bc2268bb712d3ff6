"""Sheets of pictures to look at: rows of tiles, and what a matte is laid over to be seen."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.imaging.pixels import U8

WHITE = 255


def tile(rows: Sequence[Sequence[U8]], gap: int = 0) -> U8:
    """Pictures [h, w, 3] of one size, as rows of tiles, `gap` white pixels around each; the last
    row may be shorter. Raises ValueError when there is none."""
    if not rows or not rows[0]:
        raise ValueError("a sheet needs at least one picture")
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    sheet = np.full(
        (len(rows) * (height + gap) + gap, columns * (width + gap) + gap, 3), WHITE, np.uint8
    )
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            top, left = gap + y * (height + gap), gap + x * (width + gap)
            sheet[top : top + height, left : left + width] = picture
    return sheet


def in_rows(pictures: Sequence[U8], columns: int) -> list[Sequence[U8]]:
    """The pictures cut into rows of `columns`; the last one may be shorter."""
    return [pictures[start : start + columns] for start in range(0, len(pictures), columns)]


def save_sheet(path: Path, sheet: U8) -> None:
    """Writes a picture [h, w, 3] in the format of the path's suffix; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path)


def thumbnail(picture: U8, side: int) -> U8:
    """A square of `side` pixels, by Lanczos' filter."""
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))


def fitted(picture: U8, side: int) -> U8:
    """[h, w, 3] whole within a square of `side` pixels, black around it."""
    image = Image.fromarray(picture)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    square = Image.new("RGB", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return np.asarray(square)


def grey_rgb(grey: U8) -> U8:
    """[h, w] as RGB [h, w, 3]."""
    return np.repeat(grey[..., None], 3, axis=-1)


def checkerboard(side: int) -> NDArray[np.float32]:
    """Greys .35 and .65 in eight squares a row, float32 [side, side]."""
    cells = np.arange(side) // max(side // 8, 1)
    return (((cells[:, None] + cells) % 2) * 0.3 + 0.35).astype(np.float32)
