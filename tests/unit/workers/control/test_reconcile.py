import json
from typing import Any

import pytest

from core import keys
from core.datasets import shard_records
from core.datasets.dataset import utcnow
from core.errors import StoreUnavailable
from core.leases import shard_lease
from core.messages import PRIORITY_FIRST, PRIORITY_LAST, QUEUE_GENERATE, shard_priority
from core.messages import RunShard as Ring
from matteforge.schemas.datasets import DatasetState, ErrorInfo
from workers.control.reconcile import recover


def manifest(bench: Any, dataset_id: str = "ds_a") -> dict[str, Any]:
    return json.loads(bench.store.get(keys.manifest(dataset_id))[0])


def shas(bench: Any, dataset_id: str = "ds_a") -> list[str]:
    return [record.sha256 for record in bench.catalog.shard_records(dataset_id)]


pytestmark = pytest.mark.usefixtures("one_preview")


def test_an_order_becomes_a_complete_gapless_dataset(bench: Any) -> None:
    bench.order(count=30)
    bench.work()
    end, view = manifest(bench), bench.live.get("ds_a")
    assert end["state"] == "completed"
    assert [shard["shard"] for shard in end["shards"]] == list(range(8))
    assert end["counts"]["accepted"] == 30
    assert end["counts"]["attempted"] == 30 + sum(end["counts"]["rejected"].values())
    assert (view.state, view.counts.accepted) == (DatasetState.COMPLETED, 30)
    assert list(view.timestamps) == [
        DatasetState.QUEUED,
        DatasetState.RUNNING,
        DatasetState.FINALIZING,
        DatasetState.COMPLETED,
    ]


def test_the_window_bounds_what_waits(bench: Any) -> None:
    bench.order(count=4000)
    for _ in range(3):
        bench.reconcile()
    assert bench.rung() == [("ds_a", shard) for shard in range(4)]
    bench.take()
    bench.reconcile()
    assert bench.rung() == [("ds_a", shard) for shard in (1, 2, 3, 4)]


def test_shards_in_work_count_towards_the_window(bench: Any) -> None:
    bench.order(count=4000)
    bench.leases.acquire(shard_lease("ds_a", 1), "other", 30)
    bench.reconcile()
    assert bench.rung() == [("ds_a", shard) for shard in (0, 2, 3)]


def test_small_orders_start_before_any_larger_one_that_waits(bench: Any) -> None:
    huge, small = [f"ds_huge{n}" for n in range(10)], [f"ds_small{n}" for n in range(10)]
    for dataset_id in huge:
        bench.order(dataset_id, count=100_000, shard_size=100)
    bench.reconcile()
    for number, dataset_id in enumerate(small):
        bench.order(dataset_id, count=[9, 80, 900][number % 3], shard_size=1000)
    bench.reconcile()
    assert bench.rung()[:20] == [(id_, 0) for id_ in small[0::3] + small[1::3] + small[2::3] + huge]
    assert {dataset_id for dataset_id, _ in bench.rung()[20:]} == set(huge)


@pytest.mark.parametrize(
    ("remaining", "first", "priority"),
    [
        (0, True, 0),
        (1, True, 0),
        (10, False, 0),
        (11, True, 1),
        (100, True, 1),
        (101, False, 2),
        (1000, False, 2),
        (1001, True, PRIORITY_FIRST),
        (1001, False, PRIORITY_LAST),
        (10**8, True, PRIORITY_FIRST),
        (10**8, False, PRIORITY_LAST),
    ],
)
def test_the_less_an_order_lacks_the_sooner_it_is_served(
    remaining: int, first: bool, priority: int
) -> None:
    assert shard_priority(remaining, first=first) == priority


def test_an_order_gets_more_urgent_towards_its_end(bench: Any) -> None:
    bench.order(count=20)
    bench.reconcile()
    for shard in range(3):
        bench.run(shard)
    bench.doorbell.rung.clear()
    bench.reconcile()
    assert bench.doorbell.rung == [
        (Ring(dataset_id="ds_a", shard=4), shard_priority(8, first=False))
    ]


def test_a_lost_message_is_rung_again_but_not_a_waiting_one(bench: Any) -> None:
    bench.order(count=100)
    bench.reconcile()
    bench.doorbell.rung = [entry for entry in bench.doorbell.rung if entry[0].shard != 1]
    bench.clock_s += 5
    bench.reconcile()
    assert bench.doorbell.depth(QUEUE_GENERATE) == 3, "not stale yet"
    bench.clock_s += 15
    for _ in range(3):
        bench.reconcile()
    assert bench.doorbell.depth(QUEUE_GENERATE) == 4, "as many as are noted, however often it looks"
    bench.work()
    assert bench.live.get("ds_a").state is DatasetState.COMPLETED


def test_a_message_lost_from_a_busy_queue_does_not_wait_for_it_to_empty(bench: Any) -> None:
    bench.order("ds_a", count=16)
    bench.reconcile()
    bench.doorbell.rung = [entry for entry in bench.doorbell.rung if entry[0].shard != 0]
    bench.order("ds_b", count=10**6)
    bench.clock_s += 60
    bench.reconcile()
    assert ("ds_a", 0) in bench.rung()


def test_a_worker_killed_in_mid_shard_is_replaced_once_its_lease_expires(bench: Any) -> None:
    bench.order(count=8)
    bench.reconcile()
    bench.leases.acquire(shard_lease("ds_a", 0), "dead worker", 30)
    while bench.take():
        pass
    bench.reconcile()
    assert bench.rung() == []
    bench.clock_s += 31
    bench.reconcile()
    assert bench.rung() == [("ds_a", 0)]


def test_flushall_in_mid_job_loses_nothing(bench: Any) -> None:
    bench.order("ds_b", count=40)
    bench.work()
    bench.order("ds_a", count=40)
    bench.reconcile()
    for _ in range(4):
        bench.take()
    bench.live.flush()
    bench.doorbell.rung.clear()
    bench.work()
    assert bench.live.get("ds_a").state is DatasetState.COMPLETED
    assert bench.live.get("ds_b").state is DatasetState.COMPLETED
    assert shas(bench, "ds_a") == shas(bench, "ds_b")
    assert bench.live.get("ds_a").counts == bench.live.get("ds_b").counts


def test_a_cancelled_dataset_stays_cancelled_through_flushall(bench: Any) -> None:
    bench.order(count=40)
    bench.reconcile()
    bench.take()
    bench.catalog.cancel("ds_a", utcnow())
    bench.work()
    bench.live.flush()
    bench.work()
    assert bench.live.get("ds_a").state is DatasetState.CANCELLED
    assert manifest(bench)["counts"]["shards_done"] == len(shas(bench)) == 1


def test_recover_is_idempotent(bench: Any) -> None:
    bench.order(count=16)
    bench.reconcile()
    bench.take()
    bench.live.flush()
    assert recover(bench.context) == 1
    once = bench.live.get("ds_a"), bench.live.undone("ds_a", start=0, limit=9), bench.objects()
    assert recover(bench.context) == 1
    assert once == (
        bench.live.get("ds_a"),
        bench.live.undone("ds_a", start=0, limit=9),
        bench.objects(),
    )
    assert bench.live.is_initialised()


def test_a_claim_made_while_redis_was_away_is_found(bench: Any) -> None:
    bench.order(known=False)
    bench.work()
    assert bench.live.get("ds_a").state is DatasetState.COMPLETED


def test_a_cancelled_dataset_ends_once_nobody_works_on_it(bench: Any) -> None:
    bench.order(count=100)
    bench.reconcile()
    bench.take()
    bench.catalog.cancel("ds_a", utcnow())
    bench.leases.acquire(shard_lease("ds_a", 2), "busy", 30)
    bench.reconcile()
    assert bench.catalog.end("ds_a") is None
    bench.clock_s += 31
    bench.reconcile()
    assert bench.catalog.end("ds_a").state is DatasetState.CANCELLED
    while bench.take():
        pass
    assert len(shas(bench)) == 1, "what still waits in the queue is a no-op"


def test_a_starved_dataset_fails_early_with_the_criterion_and_keeps_what_it_has(bench: Any) -> None:
    bench.order(count=400, filter={"mad": 0.01})
    bench.work()
    end = manifest(bench)
    assert (end["state"], end["error"]["code"]) == ("failed", "rejection_budget_exhausted")
    assert "mad" in end["error"]["detail"]
    assert 0 < len(end["shards"]) < 100
    assert bench.live.get("ds_a").error == ErrorInfo(**end["error"])


def test_a_short_shard_whose_worker_died_before_saying_so_fails_the_dataset(bench: Any) -> None:
    bench.order(count=4, filter={"mad": 0.01})
    bench.run(0)
    bench.store.delete(keys.tombstone("ds_a", "failed"))
    bench.live.flush()
    bench.work()
    end = manifest(bench)
    assert (end["state"], end["error"]["code"]) == ("failed", "rejection_budget_exhausted")
    assert "mad" in end["error"]["detail"]


def test_a_lost_message_of_a_shard_in_work_is_forgotten_not_rung(bench: Any) -> None:
    bench.order(count=4)
    bench.reconcile()
    bench.doorbell.rung.clear()
    bench.leases.acquire(shard_lease("ds_a", 0), "busy", 100)
    bench.clock_s += 60
    bench.reconcile()
    assert bench.rung() == []
    assert bench.live.ring_marks("ds_a") == {}


def test_a_deleted_dataset_is_purged(bench: Any) -> None:
    bench.order()
    bench.work()
    bench.catalog.delete("ds_a", utcnow())
    bench.reconcile("ds_a")
    assert list(bench.objects()) == [keys.tombstone("ds_a", "deleted")]
    assert bench.live.get("ds_a") is None


def test_a_deletion_cut_short_is_finished_by_the_sweep(bench: Any) -> None:
    bench.order()
    bench.run(0)
    bench.catalog.delete("ds_a", utcnow())
    bench.live.remove("ds_a")
    bench.reconcile()
    assert list(bench.objects()) == [keys.tombstone("ds_a", "deleted")]


def test_a_shard_that_only_redis_knew_of_is_made_again(bench: Any) -> None:
    bench.order()
    bench.work()
    whole = shas(bench)
    bench.store.delete(keys.manifest("ds_a"))
    bench.store.delete(keys.shard_record("ds_a", 1))
    bench.store.delete(keys.shard_tar("ds_a", 1))
    view, _ = bench.catalog.view("ds_a")
    bench.live.put(view, done=[0, 1, 2])
    bench.work()
    assert shas(bench) == whole
    assert manifest(bench)["state"] == "completed"


@pytest.fixture
def blocks_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_records, "BLOCK", 4)


def blocks(bench: Any) -> list[str]:
    return list(bench.store.list_keys(keys.record_blocks("ds_a")))


def test_records_are_compacted_on_the_way(bench: Any, blocks_of_four: None) -> None:
    bench.order(count=40)
    bench.reconcile()
    for shard in (0, 1, 2, 3, 4, 6):
        bench.run(shard)
    bench.reconcile()
    assert blocks(bench) == [keys.record_block("ds_a", 0)]
    bench.work()
    assert blocks(bench) == [keys.record_block("ds_a", 0), keys.record_block("ds_a", 1)]
    assert [shard["shard"] for shard in manifest(bench)["shards"]] == list(range(10))
    assert manifest(bench)["counts"]["accepted"] == 40


def test_blocks_that_are_lost_in_mid_job_are_made_again(bench: Any, blocks_of_four: None) -> None:
    bench.order(count=70)
    bench.reconcile()
    for shard in range(9):
        bench.run(shard)
    for _ in range(3):
        bench.reconcile()
    assert len(blocks(bench)) == 2
    for key in blocks(bench):
        bench.store.delete(key)
    bench.live.flush()
    recover(bench.context)
    for _ in range(3):
        bench.reconcile()
    assert len(blocks(bench)) == 2
    bench.work()
    assert len(blocks(bench)) == 4
    assert manifest(bench)["counts"]["shards_done"] == 18


def test_compaction_that_breaks_off_is_taken_up_again(bench: Any, blocks_of_four: None) -> None:
    bench.order(count=40)
    put = bench.store.put

    def away(key: str, *args: Any, **options: Any) -> str:
        if "/records/" in key:
            raise StoreUnavailable
        return put(key, *args, **options)

    bench.reconcile()
    bench.store.put = away
    for shard in range(5):
        bench.run(shard)
    with pytest.raises(StoreUnavailable):
        bench.reconcile()
    assert blocks(bench) == []
    bench.store.put = put
    bench.work()
    assert len(blocks(bench)) == 2
    assert bench.live.get("ds_a").state is DatasetState.COMPLETED


def test_delete_removes_blocks_too(bench: Any, blocks_of_four: None) -> None:
    bench.order(count=40)
    bench.work()
    assert blocks(bench)
    bench.catalog.delete("ds_a", utcnow())
    bench.reconcile("ds_a")
    assert list(bench.objects()) == [keys.tombstone("ds_a", "deleted")]


def test_of_two_ends_the_manifest_in_s3_wins(bench: Any) -> None:
    bench.order()
    bench.work()
    view, done = bench.catalog.view("ds_a")
    bench.live.put(view.model_copy(update={"state": DatasetState.RUNNING}), done=done)
    bench.catalog.cancel("ds_a", utcnow())
    bench.reconcile("ds_a")
    assert bench.live.get("ds_a").state is DatasetState.COMPLETED


def test_one_broken_dataset_does_not_stop_the_others(bench: Any) -> None:
    bench.order("ds_a")
    bench.order("ds_b")
    bench.store.put(keys.manifest("ds_a"), b"{}", metadata={"head": "not JSON"})
    bench.work()
    assert bench.live.get("ds_b").state is DatasetState.COMPLETED


def test_a_store_that_is_away_is_reported(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.order()

    def away(key: str) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(bench.store, "list_names", away)
    with pytest.raises(StoreUnavailable):
        bench.reconcile()


def test_rendered_people_have_a_queue_of_their_own(bench: Any) -> None:
    bench.order("ds_a")
    bench.order("ds_b", source="rendered", count=4, shard_size=2)
    bench.reconcile()
    queues = {(m.dataset_id, m.queue) for m, _ in bench.doorbell.rung if isinstance(m, Ring)}
    assert queues == {("ds_a", "generate"), ("ds_b", "render")}
    lost = [entry for entry in bench.doorbell.rung if entry[0].queue == "render"]
    for entry in lost:
        bench.doorbell.rung.remove(entry)
    bench.clock_s += 60
    bench.reconcile()
    again = [m.shard for m, _ in bench.doorbell.rung if m.queue == "render"]
    assert again == [0, 1]
