"""core.datasets.shard_records: reading what was committed, compacted or not, and how many requests
it takes."""

from collections import Counter
from collections.abc import Iterable

import pytest

from core import keys
from core.adapters.memory import MemoryStore
from core.datasets import shard_records
from core.datasets.catalog import Catalog
from core.datasets.manifest import ShardRecord
from core.datasets.shard_records import ShardRecords


class CountingStore(MemoryStore):
    """Counts reads of single objects."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = Counter[str]()

    def get(self, key: str):
        self.reads[key.rsplit("/", 2)[-2]] += 1
        return super().get(key)


def shard_of(number: int) -> ShardRecord:
    return ShardRecord(
        shard=number, name=f"{number:06d}.tar", samples=10, attempted=12, rejected={"mad": 2},
        size_bytes=7, sha256=f"{number:064x}",
    )  # fmt: skip


@pytest.fixture(autouse=True)
def blocks_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_records, "BLOCK", 10)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


def committed(store: MemoryStore, shards: Iterable[int]) -> ShardRecords:
    records = ShardRecords(store, "ds_a")
    for number in shards:
        assert records.put(shard_of(number))
        store.put(keys.shard_tar("ds_a", number), b"")
    return records


def numbers(records: ShardRecords, **bounds: int) -> list[int]:
    return [record.shard for record in records.read(**bounds)]


def blocks(store: MemoryStore) -> list[str]:
    return [key.rsplit("/", 1)[1] for key in store.list_keys(keys.record_blocks("ds_a"))]


def test_a_block_is_written_once_all_its_records_are_there(store: CountingStore) -> None:
    records = committed(store, range(25))
    assert not records.compact(below=9)
    assert records.compact(below=25)
    assert records.compact(below=25)
    assert not records.compact(below=25), "shards 20 to 29 are not all done"
    assert blocks(store) == ["000.jsonl", "001.jsonl"]


def test_a_record_that_is_missing_keeps_its_block_from_being_written(store: CountingStore) -> None:
    records = committed(store, [*range(13), *range(14, 30)])
    while records.compact(below=30):
        pass
    assert blocks(store) == ["000.jsonl"]
    committed(store, [13])
    while records.compact(below=30):
        pass
    assert blocks(store) == ["000.jsonl", "001.jsonl", "002.jsonl"]
    assert list(records.read()) == [shard_of(number) for number in range(30)]


@pytest.mark.parametrize("compacted", [0, 10, 30, 40])
@pytest.mark.parametrize(
    ("after", "limit"),
    [(-1, None), (-1, 3), (8, 2), (9, 1), (9, 20), (17, 30), (38, None), (43, 9), (99, 5), (0, 0)],
)
def test_pages_do_not_depend_on_what_is_compacted(
    store: CountingStore, compacted: int, after: int, limit: int | None
) -> None:
    present = [number for number in range(48) if number != 45]
    records = committed(store, present)
    while records.compact(below=compacted):
        pass
    assert len(blocks(store)) == compacted // 10
    expected = [number for number in present if number > after][:limit]
    assert list(records.read(after=after, limit=limit)) == [shard_of(number) for number in expected]


def test_a_page_reads_its_blocks_only(store: CountingStore) -> None:
    records = committed(store, range(105))
    while records.compact(below=100):
        pass
    store.reads.clear()
    assert numbers(records, after=44, limit=10) == list(range(45, 55))
    assert store.reads == {"records": 2}
    store.reads.clear()
    assert numbers(records) == list(range(105))
    assert store.reads == {"records": 11, "shards": 5}


def test_a_page_of_what_is_not_compacted_reads_its_records_only(store: CountingStore) -> None:
    records = committed(store, range(500))
    store.reads.clear()
    assert numbers(records, after=250, limit=7) == list(range(251, 258))
    assert store.reads == {"records": 1, "shards": 7}


def test_no_block_is_looked_for_where_none_can_be(store: CountingStore) -> None:
    records = committed(store, range(25))
    while records.compact(below=20):
        pass
    for after, blocks_read in ((-1, 1), (8, 2), (19, 0)):
        store.reads.clear()
        expected = list(range(after + 1, 25))[:3]
        assert numbers(records, after=after, limit=3, total=25) == expected
        assert store.reads["records"] == blocks_read


def test_a_page_that_was_read_before_costs_a_listing(store: CountingStore) -> None:
    committed(store, range(20))
    catalog = Catalog(store)
    first = list(catalog.shard_records("ds_a", after=3, limit=6))
    store.reads.clear()
    assert (
        list(catalog.shard_records("ds_a", after=3, limit=6))
        == first
        == [shard_of(n) for n in range(4, 10)]
    )
    assert store.reads == {"records": 1}
    store.delete(keys.shard_record("ds_a", 5))
    assert [record.shard for record in catalog.shard_records("ds_a", after=3, limit=3)] == [4, 6, 7]


def test_nothing_is_read_when_the_blocks_are_there(store: CountingStore) -> None:
    records = committed(store, range(30))
    while records.compact(below=30):
        pass
    store.reads.clear()
    assert not records.compact(below=30)
    assert not store.reads


def test_lost_blocks_are_made_again_and_two_writers_agree(store: CountingStore) -> None:
    records = committed(store, range(40))
    while records.compact(below=40):
        pass
    before = {key: store.get(key)[0] for key in store.list_keys(keys.record_blocks("ds_a"))}
    for block in (1, 3):
        store.delete(keys.record_block("ds_a", block))
    assert numbers(records) == list(range(40))
    store.head, head = (
        lambda key: None,
        store.head,
    )  # another writer was between our look and our put
    assert records.compact(below=40)
    store.head = head
    while records.compact(below=40):
        pass
    assert {key: store.get(key)[0] for key in store.list_keys(keys.record_blocks("ds_a"))} == before
