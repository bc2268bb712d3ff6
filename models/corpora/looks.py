"""One picture under two formats or sizes: told by how it looks, so that both go into one split."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from matteforge.schemas.corpora import Split
from models.corpora.validate import Sample
from models.imaging.pixels import U8
from models.imaging.resize import resized_rgb

SIDE = 16  # pixels of the small copy that is compared
LOOK_BYTES = SIDE * SIDE * 3
ALIKE = 4.0  # levels of 255, root mean square: another format or size stays below it
CELL = 16  # levels; copies that are alike have mean colours in neighbouring cells


def look_of(sample: Sample) -> U8:
    """A small copy, uint8 [LOOK_BYTES]; a cut-out is shown over black."""
    rgb = sample.rgb
    if sample.straight and sample.alpha is not None:
        rgb = (rgb.astype(np.uint16) * sample.alpha[..., None] // 255).astype(np.uint8)
    return resized_rgb(rgb, SIDE, SIDE).reshape(-1)


class Looks:
    """Small copies of what is in the splits already."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, ...], list[tuple[U8, Split]]] = defaultdict(list)

    def add(self, look: U8, split: Split) -> None:
        self._cells[_cell(look)].append((look, split))

    def add_all(self, looks: Iterable[U8], split: Split) -> None:
        for look in looks:
            self.add(look, split)

    def split_of(self, look: U8) -> Split | None:
        """The split of the picture that looks most like this one; None where none is alike."""
        centre, best, split = _cell(look), ALIKE, None
        for offset in product((-1, 0, 1), repeat=3):
            cell = tuple(a + b for a, b in zip(centre, offset, strict=True))
            if found := self._cells.get(cell):
                distances = _distances(np.stack([other for other, _ in found]), look)
                nearest = int(distances.argmin())
                if distances[nearest] < best:
                    best, split = float(distances[nearest]), found[nearest][1]
        return split


def _cell(look: U8) -> tuple[int, ...]:
    return tuple(int(mean) // CELL for mean in look.reshape(-1, 3).mean(axis=0))


def _distances(looks: U8, look: U8) -> NDArray[np.float64]:
    return np.sqrt(np.square(looks.astype(np.float32) - look).mean(axis=1, dtype=np.float64))
