"""The whole bucket, dataset by dataset, then bundles, corpora and what belongs to nobody."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from core import keys
from core.ports import ObjectStore
from workers.context import Context
from workers.fsck.datasets import check_dataset
from workers.fsck.findings import Finding, Pace, Problem
from workers.fsck.models import check_bundles, check_corpus_shards

KNOWN = tuple(value for name, value in vars(keys).items() if name.isupper())


def check(
    context: Context,
    pace: Pace,
    *,
    repair: bool,
    resume: Path | None = None,
    follow: Callable[[list[str]], Iterable[str]] = iter,
) -> Iterator[Finding]:
    """Findings as they are made. `resume`: a file that remembers the last dataset done, so that a
    check that was interrupted goes on behind it; removed at the end. `follow`: is given the
    datasets that are to be checked, and gives them on one by one.
    """
    after = resume.read_text().strip() if resume and resume.exists() else ""
    left = sorted(each for each in context.catalog.dataset_ids() if each > after)
    for dataset_id in follow(left):
        yield from check_dataset(context, dataset_id, pace, repair)
        if resume:
            resume.write_text(dataset_id + "\n")
    store = context.catalog.store
    yield from check_bundles(store, pace)
    yield from check_corpus_shards(store, pace)
    yield from _strangers(store)
    if resume:
        resume.unlink(missing_ok=True)


def _strangers(store: ObjectStore) -> Iterator[Finding]:
    """Folders and files at the top that are none of ours: only listed, the bucket may be shared."""
    for folder in store.list_folders(""):
        if f"{folder}/" not in KNOWN:
            yield Finding(key=f"{folder}/", problem=Problem.ORPHAN)
    for name in store.list_names(""):
        yield Finding(key=name, problem=Problem.ORPHAN)
