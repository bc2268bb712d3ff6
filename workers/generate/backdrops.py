"""Backgrounds of composites from a corpus: which picture, and which square of it, follows from a
sample's seed."""

import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from core.datasets.plan import BackgroundPool
from core.errors import CorpusRejected
from core.ports import ObjectStore
from core.tars import headers
from models.imaging.decode import UndecodablePicture, decode_picture
from models.scenes.backgrounds import crop_square
from models.scenes.textures import Picture
from workers.cycle.fetch_corpus import fetch_shard

BACKGROUND_STREAM = 1  # of a candidate's random numbers, apart from those of its z
PICTURES = (".image.png", ".image.jpg")


class Backdrops:
    """The pictures of a corpus, by key: a pool of equal content gives equal backgrounds."""

    def __init__(self, tars: Iterable[Path]) -> None:
        """Raises CorpusRejected for a corpus without pictures."""
        found: list[tuple[str, Path, int, int]] = []
        for path in tars:
            with tarfile.open(path, "r:") as archive:
                found += [
                    (info.name, path, info.offset_data, info.size)
                    for info in headers(archive)
                    if info.name.endswith(PICTURES)
                ]
        if not found:
            raise CorpusRejected("the corpus of backgrounds holds no picture")
        self._pictures = sorted(found)

    def draw(self, seed: int, size: int) -> Picture:
        """The background of one sample, float32 [size, size, 3] in [0, 1]. Raises
        CorpusRejected."""
        rng = np.random.default_rng((seed, BACKGROUND_STREAM))
        name, path, offset, size_bytes = self._pictures[int(rng.integers(len(self._pictures)))]
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(size_bytes)
        try:
            return crop_square(decode_picture(content).rgb, rng, size)
        except UndecodablePicture as error:
            raise CorpusRejected(f"the background {name} can't be read: {error}") from error


def open_backdrops(store: ObjectStore, pool: BackgroundPool, folder: Path) -> Backdrops:
    """The pool's pictures, fetched into `folder` and verified. Raises CorpusRejected."""
    return Backdrops(
        fetch_shard(store, pool.corpus, name, sha256, folder)
        for name, sha256 in pool.shards.items()
    )
