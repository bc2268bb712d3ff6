"""The one reader of pairs and pictures: `corpora add`, `evaluate`, `calibrate` and trainings."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from matteforge.schemas.corpora import CorpusKind
from models.corpora.formats import read_entries
from models.corpora.members import Source
from models.corpora.pairing import Entry
from models.corpora.validate import Refused, Sample, check_entry


def read_checked(
    sources: Iterable[Path | Source],
    kind: CorpusKind,
    max_side: int,
    *,
    within: str = "",
    premultiplied: bool | None = None,
    on_entry: Callable[[], None] = lambda: None,
    on_refused: Callable[[Entry, str], None] = lambda entry, reason: None,
) -> Iterator[tuple[Entry, Sample]]:
    """What is usable in sources of any layout, in order; what is not goes to `on_refused`.

    within: only entries whose path starts so; max_side, premultiplied: see `check_entry`. Raises
    FileNotFoundError.
    """
    for source in sources:
        for entry in read_entries(source, pairs=kind is CorpusKind.PAIRS):
            if not entry.name.startswith(within):
                continue
            on_entry()
            try:
                sample = check_entry(entry, kind, max_side, premultiplied=premultiplied)
            except Refused as refusal:
                on_refused(entry, str(refusal))
                continue
            yield entry, sample


def count_entries(source: Path | Source, kind: CorpusKind) -> int | None:
    """How many entries a path holds, by its names alone; None for what lies elsewhere."""
    if isinstance(source, Source):
        return None
    return sum(1 for _ in read_entries(source, pairs=kind is CorpusKind.PAIRS))
