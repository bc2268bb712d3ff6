"""No unreadable or missing object keeps a dataset from its end, nor is named in a manifest."""

import json
from typing import Any

import pytest

from core import keys
from core.datasets.shard_records import ShardRecords
from core.errors import ShardCorrupt
from matteforge.schemas.datasets import DatasetState

TAR, RECORD = keys.shard_tar("ds_a", 1), keys.shard_record("ds_a", 1)
GARBAGE = b'{"shard": 1, "na'


@pytest.fixture
def made(bench: Any) -> Any:
    """Three shards are committed; the end is still to come."""
    bench.order()
    for shard in range(3):
        bench.run(shard)
    return bench


def manifest(bench: Any) -> dict[str, Any]:
    return json.loads(bench.store.get(keys.manifest("ds_a"))[0])


def shas(bench: Any) -> list[str]:
    return [shard["sha256"] for shard in manifest(bench)["shards"]]


def calm(bench: Any) -> list[str]:
    return [record.sha256 for record in bench.catalog.shard_records("ds_a")]


def test_a_record_is_written_anew_from_its_tars_metadata(made: Any) -> None:
    expected, whole = calm(made), made.store.get(RECORD)[0]
    made.store.put(RECORD, GARBAGE)
    made.work()
    assert (manifest(made)["state"], shas(made)) == ("completed", expected)
    assert made.store.get(RECORD)[0] == whole


def test_a_record_of_another_shard_is_not_believed(made: Any) -> None:
    expected = calm(made)
    made.store.put(RECORD, made.store.get(keys.shard_record("ds_a", 0))[0])
    made.work()
    assert shas(made) == expected


def test_neither_record_nor_metadata_fails_the_dataset_with_the_reason(made: Any) -> None:
    body, _ = made.store.get(TAR)
    made.store.put(TAR, body, metadata={"record": "?"})
    made.store.put(RECORD, GARBAGE)
    with pytest.raises(ShardCorrupt):
        ShardRecords(made.store, "ds_a").get(1)
    assert [record.shard for record in made.catalog.shard_records("ds_a", limit=9)] == [0, 2]
    made.work()
    end = manifest(made)
    assert (end["state"], end["error"]["code"]) == ("failed", "shard_corrupt")
    assert [shard["shard"] for shard in end["shards"]] == [0, 2]
    assert made.live.get("ds_a").state is DatasetState.FAILED


def test_cancelling_has_an_effect_all_the_same(made: Any) -> None:
    made.store.put(TAR, b"x", metadata={})
    made.store.put(RECORD, GARBAGE)
    made.catalog.cancel("ds_a", made.catalog.request("ds_a").created_at)
    made.work()
    assert manifest(made)["state"] == "cancelled"
    assert [shard["shard"] for shard in manifest(made)["shards"]] == [0, 2]


def test_a_manifest_names_no_missing_tar(made: Any) -> None:
    """The shard is made again, before the manifest is written."""
    expected = calm(made)
    made.store.delete(TAR)
    made.work()
    assert (manifest(made)["state"], shas(made)) == ("completed", expected)
    assert made.store.head(TAR) is not None


def test_a_cut_tar_fails_the_dataset_instead_of_being_delivered(made: Any) -> None:
    body, info = made.store.get(TAR)
    made.store.put(TAR, body[:-512], metadata=info.metadata)
    made.work()
    assert manifest(made)["error"]["code"] == "shard_corrupt"
    assert [shard["shard"] for shard in manifest(made)["shards"]] == [0, 2]


def test_a_block_that_cant_be_read_is_no_loss(made: Any) -> None:
    expected = calm(made)
    made.store.put(keys.record_block("ds_a", 0), GARBAGE + b"\n")
    assert calm(made) == expected
    made.work()
    assert shas(made) == expected
