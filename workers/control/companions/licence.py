"""Under which licence a dataset may be used: what its model, its corpora and backgrounds say."""

from dataclasses import dataclass

from core.corpora import CorpusBook
from core.datasets.manifest import DatasetRecord
from core.errors import MatteForgeError
from core.ports import ObjectStore
from core.registry import Registry

OWN = "apache-2.0"  # the shipped models' and the renderer's
KNOWN = frozenset(
    (
        "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-3.0", "cc-by-4.0",
        "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "odbl", "odc-by", "pddl",
        "unlicense", "gpl-3.0", "agpl-3.0", "mpl-2.0",
    )
)  # fmt: skip
"""Names that the Hugging Face hub knows."""


@dataclass(frozen=True, kw_only=True)
class Licence:
    """code: as the hub spells it, or `other`; text: in the words of whoever stated it."""

    code: str
    text: str


def stated_licence(store: ObjectStore, record: DatasetRecord) -> Licence:
    """The licence of a dataset. Several, or one that the hub does not know, are `other`."""
    stated = list(dict.fromkeys([*_of_model(store, record), *_of_backgrounds(store, record)]))
    text = "; ".join(stated)
    code = text.lower() if text.lower() in KNOWN else "other"
    return Licence(code=code, text=text)


def _of_model(store: ObjectStore, record: DatasetRecord) -> list[str]:
    """A bundle's card says so itself, or names the corpora that it learned from. Those that ship
    with the project, and what the renderer draws, are the project's own."""
    if record.plan.render is not None:
        return [OWN]
    try:
        card = Registry(store).bundle(record.plan.bundle).card
    except MatteForgeError:
        return [OWN]
    if isinstance(said := card.get("licence"), str) and said.strip():
        return [said.strip()]
    corpora = card.get("corpora")
    found = corpora.values() if isinstance(corpora, dict) else ()
    licences = [corpus.get("licence") for corpus in found if isinstance(corpus, dict)]
    named = [part for text in licences if isinstance(text, str) for part in text.split("; ")]
    return sorted({part.strip() for part in named if part.strip()}) or [OWN]


def _of_backgrounds(store: ObjectStore, record: DatasetRecord) -> list[str]:
    pool = record.plan.backgrounds
    if pool is None or "composite" not in record.plan.members:
        return []
    try:
        return CorpusBook(store).get(pool.corpus).licence.split("; ")
    except MatteForgeError:
        return [f"that of the corpus {pool.corpus}"]
