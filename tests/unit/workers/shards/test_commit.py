import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import keys
from core.datasets.catalog import Catalog
from core.datasets.dataset import utcnow
from core.datasets.manifest import ShardRecord
from core.errors import Cancelled, ShardCorrupt, StoreUnavailable
from workers.shards.commit import RECORD, adopt_shard, commit_shard

BODY = b"the tar" * 100


def record_of(body: bytes, **changes: object) -> ShardRecord:
    fields = {
        "shard": 0,
        "name": "000000.tar",
        "samples": 4,
        "attempted": 9,
        "rejected": {"mad": 5},
        "size_bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return ShardRecord(**(fields | changes))


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    path = tmp_path / "000000.tar"
    path.write_bytes(BODY)
    return path


def test_tar_with_its_record_as_metadata_then_the_record(bench: Any, tar: Path) -> None:
    assert commit_shard(bench.catalog, "ds_a", tar, record_of(BODY)) == record_of(BODY)
    body, info = bench.store.get(keys.shard_tar("ds_a", 0))
    assert body == BODY
    assert ShardRecord.model_validate_json(info.metadata[RECORD]) == record_of(BODY)
    assert bench.catalog.shard_record("ds_a", 0) == record_of(BODY)


def test_the_metadata_fits_the_2_kib_of_s3() -> None:
    rejected = dict.fromkeys(
        ("coverage_min", "coverage_max", "connectedness", "mad", "iou", "grad"), 10**6
    )
    record = record_of(BODY, shard=999_998, name="999998.tar", rejected=rejected, attempted=10**7)
    assert len(record.model_dump_json()) < 600
    assert record.model_dump_json().isascii()


def test_an_earlier_winner_is_adopted_and_not_overwritten(
    bench: Any, tar: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.tar"
    other.write_bytes(b"another stack's bytes")
    winner = record_of(other.read_bytes(), attempted=11)
    commit_shard(bench.catalog, "ds_a", other, winner)
    assert commit_shard(bench.catalog, "ds_a", tar, record_of(BODY)) == winner
    assert bench.store.get(keys.shard_tar("ds_a", 0))[0] == other.read_bytes()


def test_a_lost_answer_is_healed(bench: Any, tar: Path) -> None:
    """The put succeeded, but the worker never heard of it: the retry sees 412, adopts and writes
    the record."""
    metadata = {RECORD: record_of(BODY).model_dump_json()}
    bench.store.put(keys.shard_tar("ds_a", 0), BODY, metadata=metadata)
    assert commit_shard(bench.catalog, "ds_a", tar, record_of(BODY)) == record_of(BODY)
    assert bench.catalog.shard_record("ds_a", 0) == record_of(BODY)


@pytest.mark.parametrize(
    "metadata", [{}, {RECORD: "{}"}, {RECORD: record_of(b"other bytes").model_dump_json()}]
)
def test_a_tar_that_is_not_what_it_claims_is_corrupt(
    bench: Any, tar: Path, metadata: dict[str, str]
) -> None:
    bench.store.put(keys.shard_tar("ds_a", 0), BODY, metadata=metadata)
    with pytest.raises(ShardCorrupt):
        commit_shard(bench.catalog, "ds_a", tar, record_of(BODY))
    assert bench.catalog.shard_record("ds_a", 0) is None


@pytest.mark.parametrize(
    "end",
    [lambda c: c.cancel("ds_a", utcnow()), lambda c: c.delete("ds_a", utcnow())],
    ids=["cancel", "delete"],
)
def test_nothing_is_committed_behind_a_tombstone(
    bench: Any, tar: Path, end: Callable[[Catalog], bool]
) -> None:
    end(bench.catalog)
    with pytest.raises(Cancelled):
        commit_shard(bench.catalog, "ds_a", tar, record_of(BODY))
    assert bench.store.head(keys.shard_tar("ds_a", 0)) is None


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("answer_lost", [False, True], ids=["not-done", "done-but-unheard"])
def test_a_crash_at_any_write_heals_on_the_next_run(
    bench: Any, tar: Path, monkeypatch: pytest.MonkeyPatch, step: int, answer_lost: bool
) -> None:
    put, calls = bench.store.put, 0

    def crash(*args: Any, **kwargs: Any) -> str:
        nonlocal calls
        calls += 1
        if calls != step:
            return put(*args, **kwargs)
        if answer_lost:
            put(*args, **kwargs)
        raise StoreUnavailable

    monkeypatch.setattr(bench.store, "put", crash)
    with pytest.raises(StoreUnavailable):
        commit_shard(bench.catalog, "ds_a", tar, record_of(BODY))
    monkeypatch.undo()
    assert adopt_shard(bench.catalog, "ds_a", 0) == (
        None if (step, answer_lost) == (1, False) else record_of(BODY)
    )
    assert commit_shard(bench.catalog, "ds_a", tar, record_of(BODY)) == record_of(BODY)
    assert list(bench.store.list_keys("")) == [
        keys.shard_record("ds_a", 0),
        keys.shard_tar("ds_a", 0),
    ]
