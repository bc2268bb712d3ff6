"""Samples at a glance: image, alpha and a composite side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workers.shards.read import Sample

COLUMNS = 4
TILE = 128  # pixels a side
GAP = 8
BACKDROP = np.array(
    [0.16, 0.55, 0.45], dtype=np.float32
)  # RGB in [0, 1]; no skin or hair looks like it


def draw_contact_sheet(samples: Sequence[Sample], path: Path) -> None:
    """Write a picture, in the format of its name, with one triplet (image, alpha, composite over a
    plain colour) a sample, COLUMNS triplets a row."""
    rows = -(-len(samples) // COLUMNS)
    width, height = 3 * TILE + GAP, TILE + GAP
    sheet = Image.new("RGB", (COLUMNS * width + GAP, rows * height + GAP), "white")
    for index, sample in enumerate(samples):
        left, top = GAP + index % COLUMNS * width, GAP + index // COLUMNS * height
        for position, picture in enumerate(_triplet(sample)):
            tile = Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (left + position * TILE, top))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _triplet(sample: Sample) -> list[NDArray[np.uint8]]:
    alpha = sample.alpha[:, :, None]
    composite = sample.rgb_u8 / np.float32(255) * alpha + BACKDROP * (1 - alpha)
    return [sample.rgb_u8, _to_u8(np.repeat(alpha, 3, axis=2)), _to_u8(composite)]


def _to_u8(unit: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(unit * 255), dtype=np.uint8)
