"""Tables of a dataset's samples in the object store: one a shard, and one of all at the end."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from core import keys
from core.datasets.sample import shard_name
from core.datasets.sample_table import from_parquet, index_shard, to_parquet
from core.errors import NotFound, PreconditionFailed
from core.ports import ObjectStore

PARQUET = "application/vnd.apache.parquet"
READERS = 16
TABLES_KEPT = 512


class SampleTables:
    """Tables of single shards, made from their tars where they are missing; the last ones read are
    kept."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[str, int], pa.Table] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, dataset_id: str, shard: int, tar: Path) -> None:
        """Write down what lies where in a committed shard. Raises ShardCorrupt."""
        self._write(dataset_id, shard, index_shard(tar))

    def get(self, dataset_id: str, shard: int) -> pa.Table:
        """The table of a committed shard. NotFound: there is no such shard. ShardCorrupt."""
        name = dataset_id, shard
        if (known := self._kept.get(name)) is None:
            known = self._read(dataset_id, shard)
            with self._lock:
                self._kept[name] = known
                while len(self._kept) > TABLES_KEPT:
                    self._kept.popitem(last=False)
        return known

    def each(self, dataset_id: str, shards: Iterator[int]) -> Iterator[pa.Table]:
        """Tables of committed shards, in the order given, never more than a few in memory."""
        with ThreadPoolExecutor(READERS) as pool:
            while chunk := list(islice(shards, READERS)):
                yield from pool.map(lambda shard: self._read(dataset_id, shard), chunk)

    def _read(self, dataset_id: str, shard: int) -> pa.Table:
        try:
            return from_parquet(self._store.get(keys.sample_index(dataset_id, shard))[0])
        except NotFound:
            pass
        with TemporaryDirectory(prefix="matteforge-index-") as folder:
            path = Path(folder) / shard_name(shard)
            with path.open("wb") as file:
                file.writelines(self._store.stream(keys.shard_tar(dataset_id, shard)))
            table = index_shard(path)
        self._write(dataset_id, shard, table)
        return table

    def _write(self, dataset_id: str, shard: int, table: pa.Table) -> None:
        try:
            self._store.put(
                keys.sample_index(dataset_id, shard),
                to_parquet(table),
                content_type=PARQUET,
                if_none_match=True,
            )
        except PreconditionFailed:
            return  # equal: both follow from the committed tar
