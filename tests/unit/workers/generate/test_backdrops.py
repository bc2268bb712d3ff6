"""Composites over pictures of a corpus: pinned when ordered, drawn by each sample's seed."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.corpora import CorpusBook
from core.datasets.plan import BackgroundPool
from core.errors import CorpusRejected
from matteforge.schemas.corpora import CorpusKind
from workers.cycle.corpora import add_corpus
from workers.generate.backdrops import Backdrops, open_backdrops
from workers.lifecycle import BackdropCache

COLOURS = ((250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250))


def add(bench: Any, folder: Path, colours: Any) -> BackgroundPool:
    """Pictures of one colour each, as the corpus `walls`."""
    folder.mkdir()
    for number, colour in enumerate(colours):
        rng = np.random.default_rng(number)
        pixels = np.clip(np.array(colour) + rng.integers(-5, 6, (40, 60, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    add_corpus(
        CorpusBook(bench.store), "walls", folder, kind=CorpusKind.BACKGROUNDS,
        licence="CC-BY-4.0", within="", part=None,
    )  # fmt: skip
    corpus = CorpusBook(bench.store).get("walls")
    shards = {shard.name: shard.sha256 for shard in corpus.shards}
    return BackgroundPool(corpus="walls", digest=corpus.digest, shards=shards)


def test_a_seed_has_its_picture_and_its_square(bench: Any, tmp_path: Path) -> None:
    pool = add(bench, tmp_path / "walls", COLOURS)
    first = open_backdrops(bench.store, pool, tmp_path / "a")
    second = open_backdrops(bench.store, pool, tmp_path / "b")
    seen = set()
    for seed in range(40):
        picture = first.draw(seed, 16)
        assert (picture.shape, picture.dtype) == ((16, 16, 3), np.float32)
        assert np.array_equal(picture, second.draw(seed, 16))
        seen.add(tuple((picture.mean(axis=(0, 1)) > 0.5).tolist()))
    assert len(seen) == len(COLOURS)


def order(bench: Any, pool: BackgroundPool, dataset_id: str, folder: Path) -> bytes:
    """The tar of a dataset over that pool."""
    cache = BackdropCache(bench.store, cache_dir=folder)
    bench.context = replace(bench.context, backdrops=cache)
    bench.order(
        dataset_id, count=4, members=["composite"], background="corpus:walls", backgrounds=pool
    )
    bench.work(60)
    assert bench.live.get(dataset_id).state == "completed", bench.live.get(dataset_id).error
    return bench.store.get(f"datasets/{dataset_id}/shards/000000.tar")[0]


def test_composites_lie_over_the_corpus_as_it_was_ordered(bench: Any, tmp_path: Path) -> None:
    pool = add(bench, tmp_path / "walls", COLOURS[:1])
    body = order(bench, pool, "ds_a", tmp_path / "one")
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        content = tar.extractfile("00000000000.composite.png").read()  # type: ignore[union-attr]
    corner = np.asarray(Image.open(io.BytesIO(content)))[0, 0]
    assert corner[0] > 200 > 60 > max(corner[1:])
    add(bench, tmp_path / "more", COLOURS[1:])  # the corpus grows
    assert order(bench, pool, "ds_b", tmp_path / "two") == body
    card = bench.store.get("datasets/ds_a/files/README.md")[0].decode()
    assert 'license: "other"' in card
    assert 'license_name: "apache-2.0; CC-BY-4.0"' in card


def test_a_corpus_that_is_gone_fails_the_dataset(bench: Any, tmp_path: Path) -> None:
    pool = add(bench, tmp_path / "walls", COLOURS)
    CorpusBook(bench.store).delete("walls")
    with pytest.raises(AssertionError, match="corpus_rejected"):
        order(bench, pool, "ds_a", tmp_path / "cache")


def test_a_corpus_without_pictures_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(CorpusRejected, match="no picture"):
        Backdrops([tmp_path / "empty.tar"])
