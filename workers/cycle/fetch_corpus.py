"""Fetch a corpus from the store, verified."""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from core import keys
from core.corpora import CorpusBook, CorpusManifest, CorpusShard
from core.errors import CorpusRejected, NotFound
from core.ports import ObjectStore
from matteforge.schemas.corpora import Split


def fetch_split(
    book: CorpusBook,
    manifest: CorpusManifest,
    split: Split,
    folder: Path,
    follow: Callable[[list[CorpusShard]], Iterable[CorpusShard]] = iter,
) -> list[Path]:
    """The tars of one split in `folder`, fetched once and verified. CorpusRejected: gone, or
    changed in the store. follow: is given the shards, and gives them on one by one."""
    return [
        fetch_shard(book.store, manifest.name, shard.name, shard.sha256, folder)
        for shard in follow(manifest.of(split))
    ]


def fetch_shard(
    store: ObjectStore, corpus: str, shard: str, sha256_wanted: str, folder: Path
) -> Path:
    """One tar of a corpus in `folder`, fetched once and verified. Raises CorpusRejected."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / shard
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}.partial")
        sha256 = hashlib.sha256()
        try:
            with partial.open("wb") as file:
                for chunk in store.stream(keys.corpus_shard(corpus, shard)):
                    sha256.update(chunk)
                    file.write(chunk)
        except NotFound as error:
            raise CorpusRejected(f"the corpus {corpus} lacks its shard {shard}") from error
        if sha256.hexdigest() != sha256_wanted:
            raise CorpusRejected(
                f"{shard} of the corpus {corpus} has other bytes than its manifest says"
            )
        partial.replace(path)
    return path
