"""All that is true of datasets, read from and written to S3: claims, tombstones, shard records,
manifests.

datasets/ID/request.json            the claim, conditional, once
datasets/ID/shards/NNNNNN.tar .json a committed shard and its record
datasets/ID/records/NNN.jsonl       copies of a thousand records (core.datasets.shard_records)
datasets/ID/cancel.json deleted.json failed.json   tombstones, checked before each commit
datasets/ID/manifest.json           the end, conditional, decides every race
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from core import keys
from core.conditional import JSON, put_once
from core.datasets.dataset import DatasetView
from core.datasets.manifest import DatasetRecord, ManifestHead, ShardRecord, manifest_lines
from core.datasets.plan import Plan
from core.datasets.shard_records import ShardRecords
from core.errors import Cancelled, NotFound, PreconditionFailed, RecordCorrupt
from core.ports import ObjectStore
from core.retention import expiry_of
from matteforge.schemas.datasets import Counts, DatasetState, ErrorInfo

RECORDS_KEPT = 1000  # claims remembered by a process
SHARDS_KEPT = 10_000  # shard records remembered by a process, about 1 kB each


class Catalog:
    """Datasets in one object store."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._records: dict[str, DatasetRecord] = {}
        self._shard_records: dict[str, ShardRecord] = {}

    def claim(self, record: DatasetRecord) -> bool:
        """Write request.json. False when the id is taken: read it and compare."""
        return put_once(self.store, keys.request(record.id), record.model_dump_json().encode())

    def request(self, dataset_id: str) -> DatasetRecord:
        """The claim. NotFound when there is none or the dataset was deleted."""
        record = self._record(dataset_id)
        if self.has_tombstone(dataset_id, "deleted"):
            raise _missing(dataset_id)
        return record

    def open_plan(self, dataset_id: str) -> Plan:
        """The plan of a dataset that still takes shards. Cancelled when it takes no more;
        NotFound."""
        if reason := self.stop_reason(dataset_id):
            raise Cancelled(f"{dataset_id} takes no more shards: {reason}")
        return self._record(dataset_id).plan

    def dataset_ids(self) -> Iterator[str]:
        return self.store.list_folders(keys.DATASETS)

    # Tombstones

    def cancel(self, dataset_id: str, at: datetime) -> bool:
        """Ask for the end of a dataset; its committed shards stay. False: asked before."""
        return self._mark(dataset_id, "cancel", json.dumps({"at": at.isoformat()}))

    def delete(self, dataset_id: str, at: datetime) -> bool:
        """Mark a dataset as deleted; `purge` removes its objects. False: marked before."""
        return self._mark(dataset_id, "deleted", json.dumps({"at": at.isoformat()}))

    def fail(self, dataset_id: str, error: ErrorInfo) -> bool:
        """Note an error that no further attempt can mend. False: noted before."""
        return self._mark(dataset_id, "failed", error.model_dump_json())

    def _mark(self, dataset_id: str, kind: str, body: str) -> bool:
        return put_once(self.store, keys.tombstone(dataset_id, kind), body.encode())

    def failure(self, dataset_id: str) -> ErrorInfo | None:
        try:
            return ErrorInfo.model_validate_json(
                self.store.get(keys.tombstone(dataset_id, "failed"))[0]
            )
        except NotFound:
            return None

    def has_tombstone(self, dataset_id: str, kind: str) -> bool:
        """kind: cancel, deleted or failed."""
        return self.store.head(keys.tombstone(dataset_id, kind)) is not None

    def stop_reason(self, dataset_id: str) -> str | None:
        """Why no more shards may be committed: deleted, cancel, failed or ended; None when work may
        go on."""
        names = set(self.store.list_names(keys.dataset(dataset_id)))
        found = (kind for kind in ("deleted", "cancel", "failed") if f"{kind}.json" in names)
        return next(found, "ended" if "manifest.json" in names else None)

    def mark_damaged(self, dataset_id: str, findings: list[str]) -> None:
        """Note what a check found wrong with an ended dataset's objects; none: it is whole."""
        key = keys.tombstone(dataset_id, "damaged")
        if findings:
            self.store.put(key, json.dumps({"findings": findings}).encode(), content_type=JSON)
        else:
            self.store.delete(key)

    def purge(self, dataset_id: str) -> None:
        """Remove every object of a deleted dataset but its tombstone."""
        kept = keys.tombstone(dataset_id, "deleted")
        for key in list(self.store.list_keys(f"{keys.DATASETS}{dataset_id}/")):
            if key != kept:
                self.store.delete(key)

    # Shards

    def put_shard_record(self, dataset_id: str, record: ShardRecord) -> bool:
        """False: a record was there already."""
        return ShardRecords(self.store, dataset_id).put(record)

    def shard_record(self, dataset_id: str, shard: int) -> ShardRecord | None:
        return ShardRecords(self.store, dataset_id).get(shard)

    def shard_records(
        self,
        dataset_id: str,
        *,
        after: int = -1,
        limit: int | None = None,
        total: int | None = None,
    ) -> Iterator[ShardRecord]:
        """Records of committed shards in shard order, those numbered above `after`; pages are
        remembered.

        total: shards of the dataset, where that is known, which spares a request.
        """
        if len(self._shard_records) >= SHARDS_KEPT:
            self._shard_records = {}
        known = None if limit is None else self._shard_records
        return ShardRecords(self.store, dataset_id, known).read(
            after=after, limit=limit, total=total
        )

    def forget_shard_record(self, dataset_id: str, shard: int) -> None:
        """Remove a record whose tar is not what it says: the shard is made again or adopted."""
        self._shard_records.pop(keys.shard_record(dataset_id, shard), None)
        ShardRecords(self.store, dataset_id).forget(shard)

    def compact_records(self, dataset_id: str, *, below: int) -> bool:
        """Copy the next thousand records below shard `below` into one object. False: nothing to
        do."""
        return ShardRecords(self.store, dataset_id).compact(below=below)

    # The end

    def finish(
        self, record: DatasetRecord, head: ManifestHead, shards: Iterable[ShardRecord]
    ) -> ManifestHead:
        """Write manifest.json once, streamed through a file; the true head is returned: this or an
        earlier winner's."""
        with TemporaryDirectory(prefix="matteforge-") as folder:
            path = Path(folder) / "manifest.json"
            with path.open("wb") as file:
                file.writelines(manifest_lines(record, head, shards))
            try:
                self.store.upload(
                    keys.manifest(record.id),
                    path,
                    content_type=JSON,
                    metadata={"head": json.dumps(head.model_dump(mode="json"))},
                    if_none_match=True,
                )
            except PreconditionFailed:
                return self.end(record.id) or head
        return head

    def end(self, dataset_id: str) -> ManifestHead | None:
        """How the dataset ended, None while it has not."""
        info = self.store.head(keys.manifest(dataset_id))
        return ManifestHead.model_validate_json(info.metadata["head"]) if info else None

    # Rebuilding the live view

    def view(self, dataset_id: str) -> tuple[DatasetView, list[int]]:
        """The live picture of a dataset from S3 alone, and its committed shards. NotFound as
        `request`."""
        record = self.request(dataset_id)
        end = self.end(dataset_id)
        done: list[int] = []
        counts = Counts(requested=record.plan.count, shards_total=record.plan.shards_total)
        if end is None:
            for shard in self.shard_records(dataset_id):
                done.append(shard.shard)
                counts = add_shard(counts, shard)
        view = DatasetView(
            owner=record.owner,
            id=dataset_id,
            state=end.state if end else DatasetState.RUNNING if done else DatasetState.QUEUED,
            spec=record.spec,
            bundle=record.plan.bundle,
            counts=end.counts if end else counts,
            timestamps=end.timestamps if end else {DatasetState.QUEUED: record.created_at},
            error=end.error if end else None,
            cancel_requested=self.has_tombstone(dataset_id, "cancel"),
            damaged=self.has_tombstone(dataset_id, "damaged"),
            expires_at=expiry_of(self.store, record),
        )
        return view, done

    def _record(self, dataset_id: str) -> DatasetRecord:
        """request.json never changes: read once, then remembered."""
        if dataset_id not in self._records:
            try:
                body, _ = self.store.get(keys.request(dataset_id))
            except NotFound:
                raise _missing(dataset_id) from None
            if len(self._records) >= RECORDS_KEPT:
                self._records.clear()
            try:
                self._records[dataset_id] = DatasetRecord.model_validate_json(body)
            except ValidationError as error:
                raise RecordCorrupt(f"{keys.request(dataset_id)} can't be read: {error}") from error
        return self._records[dataset_id]


def _missing(dataset_id: str) -> NotFound:
    return NotFound(f"there is no dataset {dataset_id!r}")


def add_shard(counts: Counts, shard: ShardRecord) -> Counts:
    """`counts` with one more committed shard."""
    attributes = {
        name: _sum(counts.attributes.get(name, {}), shard.attributes.get(name, {}))
        for name in {**counts.attributes, **shard.attributes}
    }
    return counts.model_copy(
        update={
            "accepted": counts.accepted + shard.samples,
            "attempted": counts.attempted + shard.attempted,
            "rejected": _sum(counts.rejected, shard.rejected),
            "shards_done": counts.shards_done + 1,
            "size_bytes": counts.size_bytes + shard.size_bytes,
            "attributes": attributes,
        }
    )


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in {**first, **second}}
