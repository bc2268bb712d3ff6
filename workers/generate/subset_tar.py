"""A shard of a subset: samples of another dataset, byte for byte but for their place in `.json`."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from core import keys
from core.datasets.catalog import Catalog
from core.datasets.manifest import ShardRecord
from core.datasets.plan import Plan
from core.datasets.sample import sample_key
from core.datasets.selection import get_selection
from core.errors import NotFound, ShardCorrupt, SourceUnavailable
from core.tars import read_samples
from workers.generate.tally import Tally
from workers.shards.encode import encode_member
from workers.shards.tar import ShardTar

Sample = tuple[str, dict[str, bytes]]


def make_subset_tar(
    path: Path,
    catalog: Catalog,
    dataset_id: str,
    plan: Plan,
    shard: int,
    watch: Callable[[Tally], Iterator[None]],
) -> ShardRecord:
    """Write the tar of a subset's shard, a pure function of its selection and the parent's bytes.

    Raises SourceUnavailable when the parent was deleted, ShardCorrupt when it has other bytes than
    it says, or lacks a sample.
    """
    part, selection = plan.part(shard), get_selection(catalog.store, dataset_id)
    wanted = selection.keys[part.first_slot : part.first_slot + part.samples]
    tally = Tally()
    watched = watch(tally)
    with ShardTar(path) as tar, _of_parent(selection.parent):
        for index, (_, members) in enumerate(_samples(catalog, selection.parent, wanted)):
            next(watched)
            facts = json.loads(members["json"])
            place = {"key": sample_key(plan.number(shard), index), "shard": plan.number(shard)}
            facts |= place | {"index": index}
            tar.add(facts["key"], members | {"json": encode_member(facts)})
            tally.attempted += 1
            tally.accept(facts.get("attributes", {}))
    return ShardRecord(
        shard=shard,
        name=plan.shard_name(shard),
        samples=tar.samples,
        attempted=tally.attempted,
        rejected={},
        size_bytes=tar.size_bytes,
        sha256=tar.sha256,
        attributes={name: dict(sorted(found.items())) for name, found in tally.attributes.items()},
    )


@contextmanager
def _of_parent(parent: str) -> Iterator[None]:
    try:
        yield
    except NotFound as gone:
        raise SourceUnavailable(f"{parent}, of which this is a subset, was deleted") from gone


def _samples(catalog: Catalog, parent: str, wanted: list[str]) -> Iterator[Sample]:
    """The samples with these keys, in their order, which is that of the parent's shards."""
    first = catalog.request(parent).plan.first_shard
    for number, group in groupby(wanted, key=lambda key: int(key[:6])):
        left = list(group)
        with TemporaryDirectory(prefix="matteforge-parent-") as folder:
            tar = _fetch(catalog, parent, number - first, Path(folder))
            for key, members in read_samples(tar):
                if left and key == left[0]:
                    yield left.pop(0), members
        if left:
            raise ShardCorrupt(f"{parent} has no sample {left[0]}")


def _fetch(catalog: Catalog, parent: str, shard: int, folder: Path) -> Path:
    record = catalog.shard_record(parent, shard)
    if record is None:
        raise NotFound(f"{parent} has no shard {shard}")
    path, sha256 = folder / "parent.tar", hashlib.sha256()
    with path.open("wb") as file:
        for chunk in catalog.store.stream(keys.shard_tar(parent, shard)):
            sha256.update(chunk)
            file.write(chunk)
    if sha256.hexdigest() != record.sha256:
        raise ShardCorrupt(f"{record.name} of {parent} has other bytes than recorded")
    return path
