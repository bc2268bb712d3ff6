"""core.datasets.catalog: what is true of datasets, on the memory store."""

import json
from datetime import UTC, datetime

import pytest

from core import keys
from core.adapters.memory import MemoryStore
from core.datasets.catalog import Catalog
from core.datasets.manifest import DatasetRecord, ManifestHead, ShardRecord
from core.datasets.plan import make_plan
from core.errors import NotFound
from matteforge.schemas.datasets import Counts, DatasetState, ErrorInfo
from matteforge.schemas.orders import DatasetSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record_of(count: int = 25, shard_size: int = 10, dataset_id: str = "ds_a") -> DatasetRecord:
    spec = DatasetSpec(count=count, shard_size=shard_size)
    plan = make_plan(
        spec, seed=1, bundle="sha256:" + "1" * 64, thresholds={}, batch_size=4, threads=1,
        max_attempts_per_sample=5,
    )  # fmt: skip
    return DatasetRecord(
        id=dataset_id, owner="o", spec=spec, plan=plan, created_at=NOW, body_sha256="x"
    )


def shard_of(number: int, samples: int = 10, **rejected: int) -> ShardRecord:
    return ShardRecord(
        shard=number,
        name=f"{number:06d}.tar",
        samples=samples,
        attempted=samples + sum(rejected.values()),
        rejected=rejected,
        size_bytes=1,
        sha256="0" * 64,
    )


def head_of(state: DatasetState, dataset_id: str = "ds_a") -> ManifestHead:
    counts = Counts(requested=25, shards_total=3)
    return ManifestHead(
        id=dataset_id, state=state, counts=counts, error=None, timestamps={state: NOW}
    )


@pytest.fixture
def catalog() -> Catalog:
    return Catalog(MemoryStore())


def test_an_id_is_claimed_once(catalog):
    assert catalog.claim(record_of())
    assert not catalog.claim(record_of(count=99))
    assert catalog.request("ds_a") == record_of()


def test_a_deleted_dataset_is_not_found_and_only_its_tombstone_stays(catalog):
    catalog.claim(record_of())
    catalog.put_shard_record("ds_a", shard_of(0))
    catalog.delete("ds_a", NOW)
    catalog.purge("ds_a")
    with pytest.raises(NotFound, match="ds_a"):
        catalog.request("ds_a")
    assert list(catalog.store.list_keys("")) == [keys.tombstone("ds_a", "deleted")]


def test_tombstones_and_the_manifest_stop_commits(catalog):
    catalog.claim(record_of())
    assert catalog.stop_reason("ds_a") is None
    catalog.finish(record_of(), head_of(DatasetState.CANCELLED), [])
    assert catalog.stop_reason("ds_a") == "ended"
    catalog.fail("ds_a", ErrorInfo(code="x", detail="y"))
    assert catalog.stop_reason("ds_a") == "failed"
    catalog.cancel("ds_a", NOW)
    assert catalog.stop_reason("ds_a") == "cancel"
    assert catalog.failure("ds_a") == ErrorInfo(code="x", detail="y")


def test_the_first_manifest_decides(catalog):
    catalog.claim(record_of())
    first = catalog.finish(record_of(), head_of(DatasetState.COMPLETED), [shard_of(0), shard_of(1)])
    second = catalog.finish(record_of(), head_of(DatasetState.CANCELLED), [])
    assert first.state is second.state is DatasetState.COMPLETED
    manifest = json.loads(catalog.store.get(keys.manifest("ds_a"))[0])
    assert [shard["shard"] for shard in manifest["shards"]] == [0, 1]
    assert manifest["state"] == "completed"


def test_an_empty_manifest_is_json_too(catalog):
    catalog.finish(record_of(), head_of(DatasetState.CANCELLED), [])
    assert json.loads(catalog.store.get(keys.manifest("ds_a"))[0])["shards"] == []


def test_records_come_in_shard_order_and_pages(catalog):
    for number in (2, 0, 300, 7):
        catalog.put_shard_record("ds_a", shard_of(number))
    assert [r.shard for r in catalog.shard_records("ds_a")] == [0, 2, 7, 300]
    assert [r.shard for r in catalog.shard_records("ds_a", after=0, limit=2)] == [2, 7]


def test_the_view_is_rebuilt_from_storage_alone(catalog):
    catalog.claim(record_of())
    catalog.put_shard_record("ds_a", shard_of(2, 5, mad=3))
    catalog.put_shard_record("ds_a", shard_of(0, 10, mad=1, iou=2))
    view, done = catalog.view("ds_a")
    assert done == [0, 2]
    assert view.state is DatasetState.RUNNING
    assert view.counts == Counts(
        requested=25,
        accepted=15,
        attempted=21,
        rejected={"mad": 4, "iou": 2},
        shards_done=2,
        shards_total=3,
        size_bytes=view.counts.size_bytes,
    )
    assert view.counts.size_bytes == shard_of(2).size_bytes + shard_of(0).size_bytes > 0
    catalog.finish(record_of(), head_of(DatasetState.FAILED), [])
    assert catalog.view("ds_a")[0].state is DatasetState.FAILED


def test_a_record_names_what_starved_it():
    assert shard_of(0, 1, mad=5, iou=9).starved_by == "iou"
    assert shard_of(0, 1).starved_by is None
