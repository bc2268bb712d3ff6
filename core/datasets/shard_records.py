"""Records of a dataset's committed shards: one small object each, compacted by the thousand to be
read quickly.

datasets/ID/shards/NNNNNN.json   one record, written once, with its tar: the truth
datasets/ID/records/NNN.jsonl    records NNN000 to NNN999, a line each; once all are there

Blocks are copies: losing one costs time only. They are made in ascending order, so readers take
them as far as they go.
"""

import logging
from collections.abc import Iterable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from pydantic import ValidationError

from core import keys
from core.conditional import put_once
from core.datasets.manifest import ShardRecord
from core.errors import NotFound, ShardCorrupt
from core.ports import ObjectStore

log = logging.getLogger(__name__)
BLOCK = 1000  # records a block
PAGE = 1000  # keys a listing: S3's limit
RECORD = "record"  # metadata entry of a tar that holds its record
READERS = 16  # concurrent reads of single records


class ShardRecords:
    """The records of one dataset. `known` keeps those that were read by their keys: a record never
    changes."""

    def __init__(
        self,
        store: ObjectStore,
        dataset_id: str,
        known: MutableMapping[str, ShardRecord] | None = None,
    ) -> None:
        self._store = store
        self._id = dataset_id
        self._known = {} if known is None else known

    def put(self, record: ShardRecord) -> bool:
        """False: a record was there already."""
        return put_once(self._store, self._key(record.shard), record.model_dump_json().encode())

    def get(self, shard: int) -> ShardRecord | None:
        """One that can't be read is written anew from its tar's metadata, which hold the same.

        ShardCorrupt: neither can be read.
        """
        try:
            body, _ = self._store.get(self._key(shard))
        except NotFound:
            return None
        try:
            record = ShardRecord.model_validate_json(body)
            if record.shard == shard:
                return record
        except ValidationError:
            pass
        record = self._of_tar(shard)
        self._store.put(
            self._key(shard),
            record.model_dump_json().encode(),
            content_type="application/json",
        )
        log.warning("%s was not readable: written anew from its tar", self._key(shard))
        return record

    def forget(self, shard: int) -> None:
        """Remove a record and the block that copies it: the shard does not count as committed."""
        self._store.delete(keys.record_block(self._id, shard // BLOCK))
        self._store.delete(self._key(shard))
        self._known.pop(self._key(shard), None)

    def _of_tar(self, shard: int) -> ShardRecord:
        info = self._store.head(keys.shard_tar(self._id, shard))
        try:
            record = ShardRecord.model_validate_json(info.metadata.get(RECORD, "") if info else "")
        except ValidationError:
            record = None
        if record is None or record.shard != shard:
            raise ShardCorrupt(f"{self._key(shard)} can't be read, nor its tar's metadata")
        return record

    def read(
        self, *, after: int = -1, limit: int | None = None, total: int | None = None
    ) -> Iterator[ShardRecord]:
        """Records in shard order, those numbered above `after`, at most `limit`: one request a
        block, then one each. A record that can't be read is left out, as if it were not there.

        total: shards of the dataset, where that is known; spares looking for a block that can't be
        there.
        """
        start, left = after + 1, limit
        while left is None or left > 0:
            block = start // BLOCK
            lines = self._block(block) if total is None or block < total // BLOCK else None
            if lines is None:
                yield from self._singly(islice(self._committed(start, left), left))
                return
            lines = lines[start % BLOCK :][:left]
            yield from lines
            start += BLOCK - start % BLOCK
            left = None if left is None else left - len(lines)

    def compact(self, *, below: int) -> bool:
        """Write the first block that is missing among those that end below shard `below`.

        False: there is none, or a record that belongs into it is not there.
        """
        last = below // BLOCK - 1
        if last < 0 or self._store.head(keys.record_block(self._id, last)):
            return False
        present = set(self._store.list_keys(keys.record_blocks(self._id)))
        block = next(
            n for n in range(last + 1) if n == last or keys.record_block(self._id, n) not in present
        )
        shards = list(islice(self._committed(block * BLOCK), BLOCK))
        if shards != list(range(block * BLOCK, (block + 1) * BLOCK)):
            return False
        lines = [record.model_dump_json() + "\n" for record in self._singly(shards)]
        if len(lines) < BLOCK:
            return False
        body = "".join(lines).encode()
        put_once(self._store, keys.record_block(self._id, block), body, "application/jsonl")
        return True

    def _block(self, block: int) -> list[ShardRecord] | None:
        """None when there is no such copy, or it can't be read: the records themselves count."""
        key = keys.record_block(self._id, block)
        try:
            lines = self._store.get(key)[0].splitlines()
            records = [ShardRecord.model_validate_json(line) for line in lines]
        except NotFound:
            return None
        except ValidationError:
            log.warning("%s can't be read: its records are read one by one", key)
            return None
        first = block * BLOCK
        whole = [record.shard for record in records] == list(range(first, first + BLOCK))
        return records if whole else None

    def _committed(self, start: int, wanted: int | None = None) -> Iterator[int]:
        """Numbers of the committed shards from `start` on, ascending; `wanted`: how many will be
        asked for."""
        before = self._key(start - 1) if start else ""
        page_size = (
            PAGE if wanted is None else min(2 * wanted + 1, PAGE)
        )  # each has a tar beside it
        listed = self._store.list_keys(
            keys.shards(self._id), start_after=before, page_size=page_size
        )
        return (int(key[-11:-5]) for key in listed if key.endswith(".json"))

    def _singly(self, shards: Iterable[int]) -> Iterator[ShardRecord]:
        """Records of shards that were listed: what is known of them is not read again."""
        numbers = iter(shards)
        with ThreadPoolExecutor(READERS) as pool:
            while chunk := list(islice(numbers, READERS * 8)):
                records = {
                    shard: record
                    for shard in chunk
                    if (record := self._known.get(self._key(shard)))
                }
                read = pool.map(self._readable, [shard for shard in chunk if shard not in records])
                records |= {record.shard: record for record in read if record is not None}
                self._known.update({self._key(shard): record for shard, record in records.items()})
                yield from (records[shard] for shard in chunk if shard in records)

    def _readable(self, shard: int) -> ShardRecord | None:
        try:
            return self.get(shard)
        except ShardCorrupt as error:
            log.warning("%s", error.detail)
            return None

    def _key(self, shard: int) -> str:
        return keys.shard_record(self._id, shard)
