"""Corpora: what the networks learn from. Validated once, split by content, kept as shards.

corpora/NAME/manifest.json          what the corpus holds, moved by If-Match when it grows
corpora/NAME/shards/SPLIT-HASH.tar  WebDataset, immutable, named by its SHA-256
corpora/NAME/shards/SPLIT-HASH.json the keys in it
corpora/NAME/shards/SPLIT-HASH.looks small copies of its pictures, in the same order

A sample's key is the SHA-256 of its pixels, shortened; the split follows from the key, unless a
picture that looks the same (another format or size of it) is in a split of any corpus already: so
one picture can't be in two splits, of one corpus or of several.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from pydantic import Field

from core import keys
from core.conditional import change_record, read_record
from core.errors import NotFound, StateConflict
from core.ports import ObjectStore
from core.tenants import HOUSE, MayRead, anything
from matteforge.schemas.base import Frozen
from matteforge.schemas.corpora import CorpusKind, Split
from matteforge.schemas.names import FileName

KEY_DIGITS = 24
REPORTED = 1000  # rejected files that are named; the others are only counted


SHARES = {Split.TRAIN: 0.8, Split.VALIDATION: 0.1, Split.TEST: 0.1}


class CorpusShard(Frozen):
    """One tar of samples of one split."""

    name: FileName = Field(description="SPLIT-HASH.tar")
    split: Split
    samples: int
    size_bytes: int
    sha256: str


class Rejection(Frozen):
    """A file that was left out."""

    source: str
    reason: str = Field(
        description="e.g. unreadable, size_mismatch, empty_alpha, no_alpha, duplicate,"
        " unsupported .heic"
    )


class CorpusManifest(Frozen):
    """What a corpus holds."""

    format: str = "matteforge.corpus/1"
    name: str
    kind: CorpusKind
    tenant: str = Field(HOUSE, description="whose it is (core.tenants)")
    licence: str = Field(description="as given by whoever added it; several are joined by '; '")
    sources: list[str] = Field(description="names of the folders or files it was made of")
    updated_at: datetime
    shards: list[CorpusShard]
    rejected: dict[str, int] = Field(default_factory=dict, description="files left out, by reason")
    rejections: list[Rejection] = Field(
        default_factory=list, description="the newest of them by name"
    )

    def samples(self, split: Split | None = None) -> int:
        """Samples of a split, or of all."""
        return sum(shard.samples for shard in self.shards if split in (None, shard.split))

    def of(self, split: Split) -> list[CorpusShard]:
        return [shard for shard in self.shards if shard.split is split]

    @property
    def digest(self) -> str:
        """Digest of the samples alone: equal for equal content, whatever was rejected."""
        names = sorted(shard.sha256 for shard in self.shards)
        return "sha256:" + hashlib.sha256(json.dumps([self.kind, names]).encode()).hexdigest()


def corpus_split_of(key: str) -> Split:
    """The split of a sample, from the first 32 bits of its key (hex)."""
    position = int(key[:8], 16) / 2**32
    for split, share in SHARES.items():
        position -= share
        if position < 0:
            return split
    return Split.TEST


class CorpusBook:
    """The corpora of one object store."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def names(self, may_read: MayRead = anything) -> list[str]:
        found = ((name, self._get(name)) for name in self.store.list_folders(keys.CORPORA))
        return [name for name, corpus in found if corpus and may_read(corpus.tenant)]

    def get(self, name: str, may_read: MayRead = anything) -> CorpusManifest:
        """NotFound, naming the corpora that there are to be read."""
        found = self._get(name)
        if found is None or not may_read(found.tenant):
            known = ", ".join(self.names(may_read)) or "none"
            raise NotFound(f"there is no corpus {name!r}; known: {known}")
        return found

    def keys(self, manifest: CorpusManifest, split: Split | None = None) -> Iterator[str]:
        """Keys of its samples."""
        for shard in manifest.shards:
            if split in (None, shard.split):
                yield from json.loads(self.store.get(_keys_of(manifest.name, shard.name))[0])

    def put_keys(self, name: str, shard: str, sample_keys: Sequence[str]) -> None:
        self.store.put(
            _keys_of(name, shard),
            json.dumps(list(sample_keys)).encode(),
            content_type="application/json",
        )

    def looks(self, manifest: CorpusManifest) -> Iterator[tuple[Split, bytes]]:
        """Small copies of its pictures, shard by shard; a corpus made before there were any has
        none."""
        for shard in manifest.shards:
            with suppress(NotFound):
                found = self.store.get(_looks_of(manifest.name, shard.name))[0]
                yield shard.split, found

    def put_looks(self, name: str, shard: str, looks: bytes) -> None:
        self.store.put(_looks_of(name, shard), looks, content_type="application/octet-stream")

    def grow(self, added: CorpusManifest) -> CorpusManifest:
        """Make the corpus, or add shards to the one of this name; what is there already is not
        added again.

        StateConflict when it is of another kind or tenant, or others keep changing it.
        """

        def grown(there: CorpusManifest | None) -> CorpusManifest:
            return _joined(there, added) if there else added

        key, what = keys.corpus_manifest(added.name), f"the corpus {added.name}"
        corpus = change_record(self.store, key, CorpusManifest, grown, what=what)
        assert corpus is not None
        return corpus

    def delete(self, name: str, follow: Callable[[list[str]], Iterable[str]] = iter) -> None:
        """Remove a corpus; runs that pinned it and have not fetched it yet fail. NotFound. follow:
        is given the keys of what is removed, and gives them on one by one."""
        self.get(name)
        self.store.delete(keys.corpus_manifest(name))
        for key in follow(list(self.store.list_keys(f"{keys.CORPORA}{name}/"))):
            self.store.delete(key)

    def _get(self, name: str) -> CorpusManifest | None:
        return read_record(self.store, keys.corpus_manifest(name), CorpusManifest)[0]


def _joined(first: CorpusManifest, second: CorpusManifest) -> CorpusManifest:
    if first.kind is not second.kind:
        raise StateConflict(
            f"the corpus {first.name} holds {first.kind}, not {second.kind}; use another name"
        )
    if first.tenant != second.tenant:
        raise StateConflict(f"the name {first.name} is taken by another tenant; use another name")
    known = {shard.sha256 for shard in first.shards}
    reasons = {**first.rejected, **second.rejected}
    return first.model_copy(
        update={
            "licence": "; ".join(dict.fromkeys([*first.licence.split("; "), second.licence])),
            "sources": list(dict.fromkeys([*first.sources, *second.sources])),
            "updated_at": second.updated_at,
            "shards": [
                *first.shards,
                *(shard for shard in second.shards if shard.sha256 not in known),
            ],
            "rejected": {
                reason: first.rejected.get(reason, 0) + second.rejected.get(reason, 0)
                for reason in reasons
            },
            "rejections": [*first.rejections, *second.rejections][-REPORTED:],
        }
    )


def _keys_of(name: str, shard: str) -> str:
    return keys.corpus_shard(name, shard.removesuffix(".tar") + ".json")


def _looks_of(name: str, shard: str) -> str:
    return keys.corpus_shard(name, shard.removesuffix(".tar") + ".looks")
