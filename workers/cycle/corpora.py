"""Add to a corpus in the store."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from core import keys
from core.corpora import (
    REPORTED,
    CorpusBook,
    CorpusManifest,
    CorpusShard,
    Rejection,
    corpus_split_of,
)
from core.datasets.dataset import utcnow
from core.errors import CorpusRejected, InvalidSpec, NotFound
from core.tenants import HOUSE
from matteforge.schemas.corpora import CorpusKind, Split
from matteforge.schemas.names import NAME
from models.corpora.foreground import straight_foreground
from models.corpora.looks import LOOK_BYTES, Looks, look_of
from models.corpora.members import Source
from models.corpora.pairing import Entry
from models.corpora.reader import read_checked
from models.corpora.validate import Sample
from workers.shards.encode import encode_alpha, encode_image
from workers.shards.tar import ShardTar

SHARD_SAMPLES = 500
MAX_SIDE = 1080  # pixels; the longest side that the authors of StyleMatte train with


@dataclass
class Report:
    """What came of an `add`."""

    added: Counter[Split] = field(default_factory=Counter)
    known: int = 0  # in the corpus before
    rejected: Counter[str] = field(default_factory=Counter)
    rejections: list[Rejection] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)  # how pictures were read, where it matters

    def refuse(self, source: str, reason: str) -> None:
        self.rejected[reason] += 1
        if len(self.rejections) < REPORTED:
            self.rejections.append(Rejection(source=source, reason=reason))


def add_corpus(
    book: CorpusBook,
    name: str,
    source: Path | Source,
    *,
    kind: CorpusKind = CorpusKind.PAIRS,
    licence: str,
    within: str = "",
    part: str | None = None,
    max_side: int = MAX_SIDE,
    premultiplied: bool | None = None,
    tenant: str | None = None,
    on_sample: Callable[[int], None] = lambda number: None,
) -> tuple[CorpusManifest, Report]:
    """Read, check and store what a folder, zip or tar holds; a corpus of this name grows by what it
    lacks.

    within: only entries whose path starts so. part: name of the slice that all samples belong to;
    None takes each sample's own folder. premultiplied: see `check_entry`. tenant: whose the corpus
    is; None: as it is, the house's if it is new. Raises InvalidSpec for a bad name, StateConflict
    for a name of another tenant's, CorpusRejected when nothing usable is found.
    """
    if re.fullmatch(NAME, name) is None:
        raise InvalidSpec(
            f"{name!r} is no corpus name: lower-case letters, digits and dashes, at most 63"
        )
    known, report, count = _known_keys(book, name), Report(), itertools.count()
    with TemporaryDirectory(prefix="matteforge-corpus-") as folder:
        writer = _ShardWriter(book, name, Path(folder), _known_looks(book))
        for entry, sample in read_checked(
            [source],
            kind,
            max_side,
            within=within,
            premultiplied=premultiplied,
            on_entry=lambda: on_sample(next(count)),
            on_refused=lambda entry, reason: report.refuse(entry.name, reason),
        ):
            _add_sample(entry, sample, part, known, writer, report)
        shards = writer.close()
    if not shards and not report.known:
        raise CorpusRejected(f"{source.name} holds no usable {kind}: {told(report.rejected)}")
    manifest = CorpusManifest(
        name=name,
        kind=kind,
        tenant=tenant or _tenant_of(book, name),
        licence=licence,
        sources=[source.name],
        updated_at=utcnow(),
        shards=shards,
        rejected=dict(report.rejected),
        rejections=report.rejections,
    )
    return book.grow(manifest), report


def told(counts: Counter[str]) -> str:
    """Counts in one line, the largest first."""
    found = ", ".join(f"{number} {reason}" for reason, number in counts.most_common())
    return found or "nothing that looks like it"


def _tenant_of(book: CorpusBook, name: str) -> str:
    try:
        return book.get(name).tenant
    except NotFound:
        return HOUSE


def _known_keys(book: CorpusBook, name: str) -> set[str]:
    try:
        return set(book.keys(book.get(name)))
    except NotFound:
        return set()


def _known_looks(book: CorpusBook) -> Looks:
    """How all pictures of all corpora look: one must not be in two splits."""
    looks = Looks()
    for name in book.names():
        for split, stored in book.looks(book.get(name)):
            looks.add_all(np.frombuffer(stored, np.uint8).reshape(-1, LOOK_BYTES), split)
    return looks


def _add_sample(
    entry: Entry,
    sample: Sample,
    part: str | None,
    known: set[str],
    writer: "_ShardWriter",
    report: Report,
) -> None:
    if sample.key in writer.keys:
        report.refuse(entry.name, "duplicate")
    elif sample.key in known:
        report.known += 1
    else:
        record = {"source": entry.name, "part": entry.part if part is None else part}
        report.added[writer.add(sample, record)] += 1
        report.notes.update(sample.notes)


def _members(sample: Sample, record: dict[str, str]) -> dict[str, bytes]:
    members = {"json": json.dumps(record, sort_keys=True).encode()}
    if sample.alpha is None:
        return members | {"image.png": encode_image(sample.rgb, "png")}
    if sample.straight:
        rgba = np.dstack([sample.rgb, sample.alpha])
        return members | {"rgba.png": encode_image(rgba, "png")}
    if sample.foreground is None:
        rgba = straight_foreground(sample.rgb, sample.alpha)
    else:
        rgba = np.dstack([sample.foreground, sample.alpha])
    scene = {"image.png": encode_image(sample.rgb, "png"), "alpha.png": encode_alpha(sample.alpha)}
    return members | scene | {"rgba.png": encode_image(rgba, "png")}


@dataclass
class _OpenShard:
    tar: ShardTar
    keys: list[str] = field(default_factory=list)
    looks: list[bytes] = field(default_factory=list)


class _ShardWriter:
    """Writes samples into one open tar a split; full ones are uploaded at once."""

    def __init__(self, book: CorpusBook, name: str, folder: Path, looks: Looks) -> None:
        self.keys: set[str] = set()
        self._book, self._name, self._folder, self._looks = book, name, folder, looks
        self._open: dict[Split, _OpenShard] = {}
        self._shards: list[CorpusShard] = []

    def add(self, sample: Sample, record: dict[str, str]) -> Split:
        """Into the split that follows from its key, or the one where its like is already."""
        look = look_of(sample)
        split = self._looks.split_of(look) or corpus_split_of(sample.key)
        self._looks.add(look, split)
        if split not in self._open:
            self._open[split] = _OpenShard(tar=ShardTar(self._folder / f"{split}.tar"))
        shard = self._open[split]
        shard.tar.add(sample.key, _members(sample, record))
        shard.keys.append(sample.key)
        shard.looks.append(look.tobytes())
        self.keys.add(sample.key)
        if shard.tar.samples == SHARD_SAMPLES:
            self._finish(split)
        return split

    def close(self) -> list[CorpusShard]:
        for split in list(self._open):
            self._finish(split)
        return self._shards

    def _finish(self, split: Split) -> None:
        shard = self._open.pop(split)
        tar = shard.tar
        with tar:
            pass  # leaving the block ends the tar
        name = f"{split}-{tar.sha256[:16]}.tar"
        self._book.put_keys(self._name, name, shard.keys)
        self._book.put_looks(self._name, name, b"".join(shard.looks))
        self._book.store.upload(
            keys.corpus_shard(self._name, name),
            self._folder / f"{split}.tar",
            content_type="application/x-tar",
        )
        self._shards.append(
            CorpusShard(
                name=name,
                split=split,
                samples=tar.samples,
                size_bytes=tar.size_bytes,
                sha256=tar.sha256,
            )
        )
