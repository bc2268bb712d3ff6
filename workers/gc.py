"""What nobody needs any more: found, and removed once it was found twice.

Never touched: what a dataset holds that was not deleted, a bundle that an alias names or ever
named, a bundle that a dataset or a training run pinned, a corpus's shards as its manifest or a run
that has not ended names them. What may only look unused because it is just being written (a bundle
before its bundle.json, a corpus's shard before its manifest) must have been unused for a grace:

gc/seen.json   what was found unused, and when first
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from core import keys
from core.audit import AuditBook
from core.bundle import BUNDLE_FILE, GENERATOR_FILE
from core.conditional import JSON
from core.corpora import CorpusBook, CorpusManifest
from core.errors import NotFound, RecordCorrupt
from core.registry import Registry
from core.training.runs import TrainingRuns
from workers.context import Context
from workers.control.expire import expire, is_over


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """Something that nobody needs."""

    key: str
    why: str
    at_once: bool = False  # needs no grace: its end was asked for
    dataset_id: str | None = None  # a whole dataset


def find(
    context: Context, now: datetime, follow: Callable[[list[str]], Iterable[str]] = iter
) -> Iterator[Garbage]:
    """Everything that could go. What is looked at is listed before what refers to it: a reference
    that is made meanwhile is seen.

    follow: is given the datasets that are looked at, and gives them on one by one.
    """
    yield from _datasets(context, now, follow)
    yield from _bundles(context)
    yield from _corpus_shards(context)
    for key in AuditBook(context.catalog.store).sweep(
        now - timedelta(days=context.settings.audit_days)
    ):
        yield Garbage(key=key, why="older than the audit trail is kept", at_once=True)


def collect(
    context: Context,
    now: datetime,
    *,
    grace: timedelta,
    follow: Callable[[list[str]], Iterable[str]] = iter,
) -> Iterator[tuple[Garbage, bool]]:
    """Each find, and whether it was removed; the others are removed once the grace is over. follow:
    see `find`."""
    store = context.catalog.store
    seen = _seen(context)
    kept: dict[str, str] = {}
    for garbage in list(find(context, now, follow)):
        first = datetime.fromisoformat(seen.get(garbage.key, now.isoformat()))
        gone = garbage.at_once or now - first >= grace
        if gone and garbage.dataset_id is not None:
            gone = expire(context, garbage.dataset_id, now)
        elif gone:
            store.delete(garbage.key)
        else:
            kept[garbage.key] = first.isoformat()
        yield garbage, gone
    store.put(keys.GC_SEEN, json.dumps(kept).encode(), content_type=JSON)


def _seen(context: Context) -> dict[str, str]:
    try:
        seen: dict[str, str] = json.loads(context.catalog.store.get(keys.GC_SEEN)[0])
    except NotFound:
        return {}
    return seen


def _datasets(
    context: Context, now: datetime, follow: Callable[[list[str]], Iterable[str]]
) -> Iterator[Garbage]:
    catalog = context.catalog
    for dataset_id in follow(list(catalog.dataset_ids())):
        try:
            view, _ = catalog.view(dataset_id)
        except NotFound:
            yield from _leftovers(context, dataset_id)
            continue
        except RecordCorrupt:
            continue  # `fsck` lists it
        if is_over(view, now):
            why = f"expired at {view.expires_at:%Y-%m-%d %H:%M} UTC"
            yield Garbage(
                key=keys.dataset(dataset_id), why=why, at_once=True, dataset_id=dataset_id
            )


def _leftovers(context: Context, dataset_id: str) -> Iterator[Garbage]:
    """Objects of a dataset that was deleted, or that nobody claimed."""
    deleted = context.catalog.has_tombstone(dataset_id, "deleted")
    why = "its dataset was deleted" if deleted else "no order claims it"
    for key in list(context.catalog.store.list_keys(keys.dataset(dataset_id))):
        if key != keys.tombstone(dataset_id, "deleted"):
            yield Garbage(key=key, why=why, at_once=deleted)


def _bundles(context: Context) -> Iterator[Garbage]:
    store, registry = context.catalog.store, Registry(context.catalog.store)
    folders = list(store.list_folders(keys.REGISTRY))
    states = list(store.list_keys(keys.TRAINING_STATES))
    needed, generators = _pinned(context), set()
    for folder in folders:
        if f"sha256:{folder}" in needed:
            generators |= _generator(registry, f"sha256:{folder}")
            continue
        # bundle.json last, so that what is left of a removal that was cut short is still a bundle
        found = sorted(store.list_keys(f"{keys.REGISTRY}{folder}/"))
        for key in sorted(found, key=lambda key: key.endswith(f"/{BUNDLE_FILE}")):
            yield Garbage(key=key, why="no alias, dataset or training run names this bundle")
    for key in states:
        if key not in {keys.training_state(sha256) for sha256 in generators}:
            yield Garbage(key=key, why="no bundle has the generator that it goes on from")


def _generator(registry: Registry, digest: str) -> set[str]:
    """SHA-256 of a bundle's generator. A bundle that can't be read raises: nothing may be removed
    on the word of one."""
    try:
        return {
            sha for name, sha in registry.bundle(digest).files.items() if name == GENERATOR_FILE
        }
    except NotFound:
        return set()


def _pinned(context: Context) -> set[str]:
    """Digests that something names. Raises what a record that can't be read raises."""
    catalog, store = context.catalog, context.catalog.store
    registry, runs = Registry(store), TrainingRuns(store)
    found = {
        move.digest
        for name in registry.names()
        for moves in registry.aliases(name).moves.values()
        for move in moves
    }
    for run_id in list(runs.ids()):
        view = runs.view(run_id)
        pinned = (view.record.champion, view.record.start, view.end and view.end.bundle)
        found |= {digest for digest in pinned if digest}
    for dataset_id in list(catalog.dataset_ids()):
        try:
            found.add(catalog.request(dataset_id).plan.bundle)
        except NotFound:
            continue
    return found


def _corpus_shards(context: Context) -> Iterator[Garbage]:
    store = context.catalog.store
    found = [key for key in store.list_keys(keys.CORPORA) if "/shards/" in key]
    runs = TrainingRuns(store)
    needed = {
        keys.corpus_shard(corpus.name, shard.name.removesuffix(".tar"))
        for corpus in (*_corpora(context), *(c for r in runs.active() for c in r.corpora.values()))
        for shard in corpus.shards
    }
    for key in found:
        if key.rpartition(".")[0] not in needed:
            yield Garbage(key=key, why="no corpus or training run names this shard")


def _corpora(context: Context) -> Iterator[CorpusManifest]:
    book = CorpusBook(context.catalog.store)
    for name in book.names():
        yield book.get(name)
