"""What would become of a source, to be looked at before anything is stored."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from matteforge.schemas.corpora import CorpusKind
from models.corpora.members import Source
from models.corpora.pairing import Entry
from models.corpora.reader import read_checked
from models.corpora.validate import Sample
from models.imaging.compositing import over
from models.imaging.pixels import U8, to_u8, to_unit
from models.imaging.sheets import checkerboard, fitted, grey_rgb, in_rows, tile

SHOWN = 24  # samples on the sheet
COLUMNS = 3  # samples a row
SIDE = 160  # pixels of a tile
CAPTION = 14  # pixels below it


@dataclass
class Preview:
    """usable: samples; left_out: names by reason; notes: how pictures were read; sheet: uint8
    [h, w, 3], or None where nothing is usable."""

    usable: int = 0
    left_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    notes: Counter[str] = field(default_factory=Counter)
    sheet: U8 | None = None


def preview(
    source: Path | Source,
    kind: CorpusKind,
    max_side: int,
    *,
    within: str = "",
    premultiplied: bool | None = None,
    on_entry: Callable[[], None] = lambda: None,
    on_sample: Callable[[Entry, Sample], None] = lambda entry, sample: None,
) -> Preview:
    """Read a source as `corpora add` would, and draw its first samples: image, alpha, cut-out."""
    found, tiles = Preview(), list[U8]()
    for entry, sample in read_checked(
        [source], kind, max_side, within=within, premultiplied=premultiplied, on_entry=on_entry,
        on_refused=lambda entry, reason: found.left_out[reason].append(entry.name),
    ):  # fmt: skip
        found.usable += 1
        found.notes.update(sample.notes)
        on_sample(entry, sample)
        if len(tiles) < SHOWN:
            tiles.append(_triplet(entry.label, sample))
    if tiles:
        found.sheet = tile(in_rows(tiles, COLUMNS), gap=8)
    return found


def _triplet(label: str, sample: Sample) -> U8:
    """Image, alpha and cut-out side by side over the sample's name; the image alone where there is
    no alpha."""
    pictures = [fitted(sample.rgb, SIDE)]
    if sample.alpha is not None:
        alpha = fitted(grey_rgb(sample.alpha), SIDE)
        backdrop = np.broadcast_to(checkerboard(SIDE)[..., None], alpha.shape)
        colour = sample.rgb if sample.foreground is None else sample.foreground
        cut_out = over(to_unit(fitted(colour, SIDE)), to_unit(alpha), backdrop)
        pictures += [alpha, to_u8(cut_out)]
    caption = Image.new("RGB", (SIDE * len(pictures), CAPTION), "white")
    ImageDraw.Draw(caption).text((2, 1), label[-26 * len(pictures) :], fill="black")
    return np.concatenate([np.concatenate(pictures, axis=1), np.asarray(caption)])
