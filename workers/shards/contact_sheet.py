"""Samples at a glance: image, alpha and a composite side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.imaging.compositing import over
from models.imaging.pixels import U8, to_u8, to_unit
from models.imaging.sheets import grey_rgb, in_rows, save_sheet, thumbnail, tile
from workers.shards.read import DeliveredSample

COLUMNS = 4
TILE = 128  # pixels a side
GAP = 8
BACKDROP = np.array(
    [0.16, 0.55, 0.45], dtype=np.float32
)  # RGB in [0, 1]; no skin or hair looks like it


def draw_contact_sheet(samples: Sequence[DeliveredSample], path: Path) -> None:
    """Write a picture, in the format of its name, with one triplet (image, alpha, composite over a
    plain colour) a sample, COLUMNS triplets a row."""
    save_sheet(path, tile(in_rows([_triplet(sample) for sample in samples], COLUMNS), GAP))


def _triplet(sample: DeliveredSample) -> U8:
    composite = over(to_unit(sample.rgb_u8), sample.alpha[..., None], BACKDROP)
    pictures = sample.rgb_u8, grey_rgb(to_u8(sample.alpha)), to_u8(composite)
    return np.concatenate([thumbnail(picture, TILE) for picture in pictures], axis=1)
