"""Add to a corpus in the store, and fetch one from it."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from core import keys
from core.corpora import REPORTED, CorpusBook, CorpusManifest, CorpusShard, Rejection, split_of
from core.datasets.dataset import utcnow
from core.errors import CorpusRejected, InvalidSpec, NotFound
from matteforge.schemas.corpora import CorpusKind, Split
from matteforge.schemas.names import NAME
from models.corpora.foreground import straight_foreground
from models.corpora.formats import Entry, read_entries
from models.corpora.validate import Refused, Sample, check_entry
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

    def refuse(self, source: str, reason: str) -> None:
        self.rejected[reason] += 1
        if len(self.rejections) < REPORTED:
            self.rejections.append(Rejection(source=source, reason=reason))


def add_corpus(
    book: CorpusBook,
    name: str,
    source: Path,
    *,
    kind: CorpusKind = CorpusKind.PAIRS,
    licence: str,
    within: str = "",
    part: str | None = None,
    max_side: int = MAX_SIDE,
    on_sample: Callable[[int], None] = lambda number: None,
) -> tuple[CorpusManifest, Report]:
    """Read, check and store what a folder, zip or tar holds; a corpus of this name grows by what it
    lacks.

    within: only entries whose path starts so. part: name of the slice that all samples belong to;
    None takes each sample's own folder. Raises InvalidSpec for a bad name, CorpusRejected when
    nothing usable is found.
    """
    if re.fullmatch(NAME, name) is None:
        raise InvalidSpec(
            f"{name!r} is no corpus name: lower-case letters, digits and dashes, at most 63"
        )
    known = _known_keys(book, name)
    report = Report()
    with TemporaryDirectory(prefix="matteforge-corpus-") as folder:
        writer = _ShardWriter(book, name, Path(folder))
        for number, entry in enumerate(
            e for e in read_entries(source) if e.name.startswith(within)
        ):
            on_sample(number)
            _add_entry(entry, kind, max_side, part, known, writer, report)
        shards = writer.close()
    if not shards and not report.known:
        reasons = (
            ", ".join(f"{n} {reason}" for reason, n in report.rejected.items())
            or "nothing that looks like it"
        )
        raise CorpusRejected(f"{source.name} holds no usable {kind}: {reasons}")
    manifest = CorpusManifest(
        name=name,
        kind=kind,
        licence=licence,
        sources=[source.name],
        updated_at=utcnow(),
        shards=shards,
        rejected=dict(report.rejected),
        rejections=report.rejections,
    )
    return book.grow(manifest), report


def _known_keys(book: CorpusBook, name: str) -> set[str]:
    try:
        return set(book.keys(book.get(name)))
    except NotFound:
        return set()


def _add_entry(
    entry: Entry,
    kind: CorpusKind,
    max_side: int,
    part: str | None,
    known: set[str],
    writer: "_ShardWriter",
    report: Report,
) -> None:
    try:
        sample = check_entry(entry, kind, max_side)
    except Refused as refusal:
        report.refuse(entry.name, str(refusal))
        return
    if sample.key in writer.keys:
        report.refuse(entry.name, "duplicate")
    elif sample.key in known:
        report.known += 1
    else:
        writer.add(sample, {"source": entry.name, "part": entry.part if part is None else part})
        report.added[split_of(sample.key)] += 1


def _members(sample: Sample, record: dict[str, str]) -> dict[str, bytes]:
    members = {"json": json.dumps(record, sort_keys=True).encode()}
    if sample.alpha is None:
        return members | {"image.png": encode_image(sample.rgb, "png")}
    if sample.straight:
        rgba = np.concatenate([sample.rgb, sample.alpha[..., None]], axis=-1)
        return members | {"rgba.png": encode_image(rgba, "png")}
    rgba = straight_foreground(sample.rgb, sample.alpha)
    scene = {"image.png": encode_image(sample.rgb, "png"), "alpha.png": encode_alpha(sample.alpha)}
    return members | scene | {"rgba.png": encode_image(rgba, "png")}


class _ShardWriter:
    """Writes samples into one open tar a split; full ones are uploaded at once."""

    def __init__(self, book: CorpusBook, name: str, folder: Path) -> None:
        self.keys: set[str] = set()
        self._book, self._name, self._folder = book, name, folder
        self._open: dict[Split, tuple[ShardTar, list[str]]] = {}
        self._shards: list[CorpusShard] = []

    def add(self, sample: Sample, record: dict[str, str]) -> None:
        split = split_of(sample.key)
        if split not in self._open:
            self._open[split] = ShardTar(self._folder / f"{split}.tar"), []
        tar, sample_keys = self._open[split]
        tar.add(sample.key, _members(sample, record))
        sample_keys.append(sample.key)
        self.keys.add(sample.key)
        if tar.samples == SHARD_SAMPLES:
            self._finish(split)

    def close(self) -> list[CorpusShard]:
        for split in list(self._open):
            self._finish(split)
        return self._shards

    def _finish(self, split: Split) -> None:
        tar, sample_keys = self._open.pop(split)
        with tar:
            pass  # leaving the block ends the tar
        name = f"{split}-{tar.sha256[:16]}.tar"
        self._book.put_keys(self._name, name, sample_keys)
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


def fetch_split(
    book: CorpusBook, manifest: CorpusManifest, split: Split, folder: Path
) -> list[Path]:
    """The tars of one split in `folder`, fetched once and verified. CorpusRejected: gone, or
    changed in the store."""
    return [_fetched(book, manifest.name, shard, folder) for shard in manifest.of(split)]


def fetch_corpus(
    book: CorpusBook, manifest: CorpusManifest, folder: Path
) -> Iterator[tuple[Split, list[Path]]]:
    for split in Split:
        yield split, fetch_split(book, manifest, split, folder)


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
