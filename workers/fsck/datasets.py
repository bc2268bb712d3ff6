"""Check one dataset: each object accounted for, each shard's bytes against its record.

A shard is a pure function of its plan: one that is lost is made anew, and counts as repaired when
its bytes are those that the manifest names. One machine's stack makes the bytes of another's only
if both are alike (docs: determinism); else the shard stays damaged and says so.
"""

import logging
import re
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from core import keys
from core.datasets.manifest import DatasetRecord, ShardRecord
from core.datasets.sample import shard_name
from core.datasets.shard_records import RECORD
from core.errors import MatteForgeError, NotFound, RecordCorrupt
from workers.context import Context
from workers.fsck.findings import Finding, Pace, Problem, compare_object

log = logging.getLogger(__name__)
PLACES = re.compile(
    r"(request|selection|cancel|failed|damaged|manifest|expiry)\.json|records/\d{3}\.jsonl"
    r"|(samples/(?P<index>\d{6})\.parquet|rejected/(?P<rejected>\d{6})\.json)|files/[\w.-]+"
    r"|shards/(?P<shard>\d{6})\.(tar|json)"
)


def check_dataset(context: Context, dataset_id: str, pace: Pace, repair: bool) -> list[Finding]:
    """Everything that is wrong with one dataset, after repair if it was asked for; the dataset is
    marked as damaged, or not any more.
    """
    catalog = context.catalog
    try:
        record = catalog.request(dataset_id)
    except RecordCorrupt:
        return [Finding(key=keys.request(dataset_id), problem=Problem.UNREADABLE)]
    except NotFound:
        return list(_leftovers(context, dataset_id, repair))
    check = _Check(context, record, pace, repair)
    findings = [*check.shards(), *check.orphans()]
    lasting = [str(f) for f in findings if not f.repaired and f.problem is not Problem.ORPHAN]
    if check.ended and bool(lasting) != catalog.has_tombstone(dataset_id, "damaged"):
        catalog.mark_damaged(dataset_id, lasting)
        context.live.put(catalog.view(dataset_id)[0])
    return findings


def _leftovers(context: Context, dataset_id: str, repair: bool) -> Iterator[Finding]:
    """Objects of a dataset that was deleted, or that nobody claimed."""
    store = context.catalog.store
    for key in list(store.list_keys(keys.dataset(dataset_id))):
        if key != keys.tombstone(dataset_id, "deleted"):
            if repair:
                store.delete(key)
            yield Finding(key=key, problem=Problem.ORPHAN, repaired="removed" if repair else "")


class _Check:
    """One dataset under examination."""

    def __init__(self, context: Context, record: DatasetRecord, pace: Pace, repair: bool) -> None:
        self._context = context
        self._store = context.catalog.store
        self._record = record
        self._pace = pace
        self._repair = repair
        self.ended = self._store.head(keys.manifest(record.id)) is not None

    def shards(self) -> Iterator[Finding]:
        """Shards against the manifest of an ended dataset, against their records before that."""
        try:
            for expected in self._expected():
                yield from self._shard(expected)
        except ValidationError:
            yield Finding(key=keys.manifest(self._record.id), problem=Problem.UNREADABLE)

    def orphans(self) -> Iterator[Finding]:
        """Objects that have no place in a dataset. Those of one under way are left alone."""
        prefix = keys.dataset(self._record.id)
        for key in list(self._store.list_keys(prefix)):
            place = PLACES.fullmatch(key.removeprefix(prefix))
            shard = int(
                (place["shard"] or place["index"] or place["rejected"] or 0) if place else 0
            )
            if place is None or shard >= self._record.plan.shards_total:
                gone = self._repair and self.ended
                if gone:
                    self._store.delete(key)
                yield Finding(key=key, problem=Problem.ORPHAN, repaired="removed" if gone else "")

    def _expected(self) -> Iterator[ShardRecord]:
        if not self.ended:
            yield from self._context.catalog.shard_records(self._record.id)
            return
        lines = b"".join(self._store.stream(keys.manifest(self._record.id))).splitlines()
        for line in lines[1:-1]:
            yield ShardRecord.model_validate_json(line.rstrip(b","))

    def _shard(self, expected: ShardRecord) -> Iterator[Finding]:
        tar = keys.shard_tar(self._record.id, expected.shard)
        problem = compare_object(
            self._store,
            tar,
            size_bytes=expected.size_bytes,
            sha256=expected.sha256,
            pace=self._pace,
        )
        if problem:
            yield Finding(key=tar, problem=problem, repaired=self._remade(expected))
        key = keys.shard_record(self._record.id, expected.shard)
        if self.ended and (wrong := self._wrong_record(key, expected)):
            if self._repair:
                body = expected.model_dump_json().encode()
                self._store.put(key, body, content_type="application/json")
            done = "written anew from the manifest" if self._repair else ""
            yield Finding(key=key, problem=wrong, repaired=done)

    def _wrong_record(self, key: str, expected: ShardRecord) -> Problem | None:
        try:
            found = ShardRecord.model_validate_json(self._store.get(key)[0])
        except NotFound:
            return Problem.MISSING
        except ValidationError:
            return Problem.UNREADABLE
        return None if found == expected else Problem.WRONG_BYTES

    def _remade(self, expected: ShardRecord) -> str:
        """Make a shard anew; what was done, empty when nothing could be."""
        if not self._repair:
            return ""
        if not self.ended:  # the workers make it again
            self._store.delete(keys.shard_tar(self._record.id, expected.shard))
            self._context.catalog.forget_shard_record(self._record.id, expected.shard)
            self._context.live.forget_shard(self._record.id, expected.shard)
            return "forgotten, so that it is made again"
        try:
            return self._made_anew(expected)
        except MatteForgeError as error:
            log.error("%s can't be made anew: %s", expected.name, error.detail)
            return ""

    def _made_anew(self, expected: ShardRecord) -> str:
        from workers.generate.make_shard import make_shard  # numpy and torch

        plan, shard = self._record.plan, expected.shard
        with TemporaryDirectory(prefix="matteforge-fsck-") as folder:
            path = Path(folder) / shard_name(shard)
            made = make_shard(
                self._context, self._record.id, plan, shard, path, lambda _: repeat(None)
            )
            if made.sha256 != expected.sha256:
                log.error("%s: made here it has other bytes: %s", expected.name, made.sha256)
                return ""
            key = keys.shard_tar(self._record.id, shard)
            self._store.delete(key)
            metadata = {RECORD: expected.model_dump_json()}
            self._store.upload(key, path, content_type="application/x-tar", metadata=metadata)
        return "made anew"
