"""Fetch a corpus from the store, verified."""

import hashlib
from pathlib import Path

from core import keys
from core.corpora import CorpusBook, CorpusManifest, CorpusShard
from core.errors import CorpusRejected, NotFound
from matteforge.schemas.corpora import Split


def fetch_split(
    book: CorpusBook, manifest: CorpusManifest, split: Split, folder: Path
) -> list[Path]:
    """The tars of one split in `folder`, fetched once and verified. CorpusRejected: gone, or
    changed in the store."""
    return [_fetched(book, manifest.name, shard, folder) for shard in manifest.of(split)]


def _fetched(book: CorpusBook, name: str, shard: CorpusShard, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / shard.name
    if not path.exists():
        partial = path.with_suffix(".partial")
        sha256 = hashlib.sha256()
        try:
            with partial.open("wb") as file:
                for chunk in book.store.stream(keys.corpus_shard(name, shard.name)):
                    sha256.update(chunk)
                    file.write(chunk)
        except NotFound as error:
            raise CorpusRejected(f"the corpus {name} lacks its shard {shard.name}") from error
        if sha256.hexdigest() != shard.sha256:
            raise CorpusRejected(
                f"{shard.name} of the corpus {name} has other bytes than its manifest says"
            )
        partial.replace(path)
    return path
