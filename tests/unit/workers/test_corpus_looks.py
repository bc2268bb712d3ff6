"""The same picture under two formats, sizes or names is in one split, whichever its content's."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.adapters.memory import MemoryStore
from core.corpora import CorpusBook
from core.tars import read_samples
from matteforge.schemas.corpora import CorpusKind, Split
from workers.cycle.corpora import add_corpus
from workers.cycle.fetch_corpus import fetch_split

PICTURES = 24  # so many that chance alone would part some of them: 20 % are not in `train`


def put_twice(folder: Path, number: int) -> None:
    """A photograph as PNG; again as JPEG of half the size, and as WebP."""
    rng = np.random.default_rng(number)
    small = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    picture = Image.fromarray(small).resize((160, 192), Image.Resampling.BICUBIC)
    folder.mkdir(parents=True, exist_ok=True)
    picture.save(folder / f"{number:02d}-whole.png")
    picture.resize((80, 96), Image.Resampling.LANCZOS).save(folder / f"{number:02d}-half.jpg")
    picture.save(folder / f"{number:02d}-again.webp", quality=90)


def splits_by_picture(book: CorpusBook, folder: Path, *corpora: str) -> dict[str, set[Split]]:
    found = defaultdict[str, set[Split]](set)
    for name in corpora:
        for split in Split:
            for tar in fetch_split(book, book.get(name), split, folder / name):
                for _, members in read_samples(tar):
                    source = json.loads(members["json"])["source"]
                    found[source[:2]].add(split)
    return found


@pytest.mark.parametrize("at_once", [True, False])
def test_one_picture_goes_into_one_split(tmp_path, at_once):
    book = CorpusBook(MemoryStore())
    for number in range(PICTURES):
        put_twice(tmp_path / "photos", number)
    if at_once:
        _, report = add_corpus(
            book, "all", tmp_path / "photos", kind=CorpusKind.IMAGES, licence="CC0-1.0"
        )
        assert sum(report.added.values()) == 3 * PICTURES
        names = ["all"]
    else:
        names = ["png", "jpg", "webp"]
        for suffix in names:
            (tmp_path / suffix).mkdir()
            for path in (tmp_path / "photos").glob(f"*.{suffix}"):
                path.rename(tmp_path / suffix / path.name)
            add_corpus(book, suffix, tmp_path / suffix, kind=CorpusKind.IMAGES, licence="CC0-1.0")
    splits = splits_by_picture(book, tmp_path / "cache", *names)
    assert len(splits) == PICTURES
    assert all(len(each) == 1 for each in splits.values())
    assert len(set.union(*splits.values())) > 1, "or the test could not fail"
