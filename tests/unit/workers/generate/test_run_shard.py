import io
import json
import tarfile
import threading
from typing import Any

import pytest

from core import keys
from core.datasets.dataset import utcnow
from core.datasets.splits import candidate_seed
from core.errors import CheckpointRejected, StoreRefused, StoreUnavailable
from core.leases import shard_lease
from core.messages import Reconcile
from matteforge.schemas.datasets import DatasetState
from workers.generate import run_shard as module


def members(bench: Any, shard: int = 0, dataset_id: str = "ds_a") -> dict[str, bytes]:
    body, _ = bench.store.get(keys.shard_tar(dataset_id, shard))
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]


def test_a_shard_holds_its_first_accepted_candidates_in_attempt_order(bench: Any) -> None:
    plan = bench.order().plan
    bench.run(0)
    records = [json.loads(body) for name, body in members(bench).items() if name.endswith(".json")]
    attempts = [record["attempt"] for record in records]
    assert [record["key"] for record in records] == [f"000000{n:05d}" for n in range(4)]
    assert attempts == sorted(attempts)
    assert [record["seed"] for record in records] == [
        candidate_seed(7, 0, attempt) for attempt in attempts
    ]
    assert all(record["scores"]["mad"] <= plan.thresholds["mad"] for record in records)
    committed = bench.catalog.shard_record("ds_a", 0)
    assert committed.attempted == attempts[-1] + 1 == 4 + sum(committed.rejected.values())


def test_the_last_shard_takes_the_rest(bench: Any) -> None:
    bench.order()
    bench.run(2)
    assert bench.catalog.shard_record("ds_a", 2).samples == 2


def test_running_it_twice_changes_nothing(bench: Any) -> None:
    bench.order()
    bench.run(0)
    before, counts = bench.objects(), bench.live.get("ds_a").counts
    bench.run(0)
    assert bench.objects() == before
    assert bench.live.get("ds_a").counts == counts


def test_bytes_depend_on_the_plan_alone(bench: Any) -> None:
    for dataset_id, seed in (("ds_a", 7), ("ds_b", 7), ("ds_c", 8)):
        bench.order(dataset_id, seed=seed)
        bench.run(1, dataset_id)
    first, again, other = (
        bench.store.get(keys.shard_tar(d, 1))[0] for d in ("ds_a", "ds_b", "ds_c")
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("image_format", ["png", "webp", "jpeg"])
def test_formats_and_alpha_depth_follow_the_order(bench: Any, image_format: str) -> None:
    bench.order(image_format=image_format, alpha_bits=16)
    bench.run(0)
    names = list(members(bench))
    assert {name.split(".", 1)[1] for name in names} == {
        "alpha.png",
        "json",
        {"png": "image.png", "webp": "image.webp", "jpeg": "image.jpg"}[image_format],
    }


def test_it_moves_the_dataset_to_running_and_asks_to_be_reconciled(bench: Any) -> None:
    bench.order()
    bench.live.ring_mark("ds_a", 0, 0.0)
    bench.run(0)
    assert bench.live.get("ds_a").state is DatasetState.RUNNING
    assert bench.live.ring_marks("ds_a") == {}
    assert [message for message, _ in bench.doorbell.rung] == [Reconcile(dataset_id="ds_a")]
    assert bench.leases.held([shard_lease("ds_a", 0)]) == set()


def test_a_shard_in_other_hands_is_left_alone(bench: Any) -> None:
    bench.order()
    bench.leases.acquire(shard_lease("ds_a", 0), "other", 30)
    bench.run(0)
    assert bench.store.head(keys.shard_tar("ds_a", 0)) is None
    assert bench.doorbell.rung == []


def test_a_record_that_the_live_view_missed_is_counted(bench: Any) -> None:
    bench.order()
    bench.run(0)
    view, _ = bench.catalog.view("ds_a")
    bench.live.put(view, done=[])
    bench.run(0)
    assert bench.live.undone("ds_a", start=0, limit=3) == [1, 2]


def test_a_tar_without_its_record_is_adopted_without_sampling(bench: Any) -> None:
    bench.order()
    bench.run(0)
    record = bench.catalog.shard_record("ds_a", 0)
    bench.store.delete(keys.shard_record("ds_a", 0))
    bench.sampler.before_batch = lambda shard, start: pytest.fail("sampled again")
    bench.run(0)
    assert bench.catalog.shard_record("ds_a", 0) == record


@pytest.mark.parametrize("kind", ["cancel", "delete"])
def test_a_tombstone_in_mid_shard_stops_before_the_commit(bench: Any, kind: str) -> None:
    bench.order()
    bench.sampler.before_batch = lambda shard, start: getattr(bench.catalog, kind)("ds_a", utcnow())
    bench.run(0)
    assert bench.store.head(keys.shard_tar("ds_a", 0)) is None


def test_tombstones_are_looked_for_while_sampling(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_CHECK_S", 0.0)
    bench.order(filter={"mad": 0.0})
    batches: list[int] = []

    def cancel_at_the_third(shard: int, start: int) -> None:
        batches.append(start)
        if len(batches) == 3:
            bench.catalog.cancel("ds_a", utcnow())

    bench.sampler.before_batch = cancel_at_the_third
    bench.run(0)
    assert len(batches) == 3


def test_a_lost_lease_stops_the_work_at_once(bench: Any) -> None:
    bench.order(filter={"mad": 0.0})
    bench.with_settings(lease_renew_s=0.005)
    batches: list[int] = []

    def steal(shard: int, start: int) -> None:
        batches.append(start)
        bench.clock_s += 60
        while not bench.leases.acquire(shard_lease("ds_a", 0), "thief", 30):
            bench.clock_s += 60
        for thread in threading.enumerate():
            if thread.name.startswith("renew "):
                thread.join(10)  # it ends when it finds the thief

    bench.sampler.before_batch = steal
    bench.run(0)
    assert batches == [0]
    assert bench.store.head(keys.shard_tar("ds_a", 0)) is None
    assert bench.catalog.failure("ds_a") is None, "another worker has it: no failure"


@pytest.mark.parametrize("error", [StoreUnavailable, StoreRefused])
def test_a_store_that_does_not_serve_leaves_it_to_the_reconciler(
    bench: Any, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    bench.order()

    def away(*args: Any, **kwargs: Any) -> str:
        raise error

    monkeypatch.setattr(bench.store, "upload", away)
    for _ in range(module.MAX_TRIES + 1):
        bench.run(0)
    assert bench.doorbell.rung == [], "no hot loop: the beat rings"
    assert bench.catalog.failure("ds_a") is None
    monkeypatch.undo()
    bench.run(0)
    assert bench.catalog.shard_record("ds_a", 0).samples == 4


def test_a_bundle_that_is_refused_fails_the_dataset(bench: Any) -> None:
    def refuse(shard: int, start: int) -> None:
        raise CheckpointRejected("not finite")

    bench.order()
    bench.sampler.before_batch = refuse
    bench.run(0)
    assert bench.catalog.failure("ds_a").code == "checkpoint_rejected"


def test_a_shard_that_keeps_crashing_its_worker_fails_the_dataset(bench: Any) -> None:
    def crash(shard: int, start: int) -> None:
        raise RuntimeError("a bug")

    bench.order()
    bench.sampler.before_batch = crash
    for _ in range(module.MAX_TRIES):
        with pytest.raises(RuntimeError):
            bench.run(0)
    assert bench.catalog.failure("ds_a") is None
    bench.run(0)
    assert bench.catalog.failure("ds_a").detail == "shard 0 broke its worker 10 times"


def test_a_starved_shard_is_delivered_short_and_names_the_criterion(bench: Any) -> None:
    bench.order(filter={"mad": 0.01})
    bench.run(0)
    record, failure = bench.catalog.shard_record("ds_a", 0), bench.catalog.failure("ds_a")
    assert record.samples < 4
    assert record.attempted == 80 == record.samples + sum(record.rejected.values())
    assert failure.code == "rejection_budget_exhausted"
    assert "mad" in failure.detail
    assert "0.01" in failure.detail


def test_an_unknown_dataset_is_a_no_op(bench: Any) -> None:
    bench.run(0, "ds_nothing")
    assert bench.objects() == {}


def test_progress_is_told_while_a_shard_is_made(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TELL_S", 0.0)
    seen = []
    bench.sampler.before_batch = lambda shard, start: seen.append(bench.live.get("ds_a").in_work)
    bench.order(count=20, shard_size=10)
    bench.run(0)
    assert [work.attempted for work in seen[:3]] == [0, 0, 4]
    assert all(work.attempted == work.accepted + sum(work.rejected.values()) for work in seen)
    assert bench.live.get("ds_a").in_work.shards == 0
    assert bench.live.get("ds_a").counts.accepted == 10
    assert bench.live.pace(f"generated/{bench.catalog.request('ds_a').plan.bundle}") > 0


def test_a_shard_that_is_given_up_tells_nothing_more(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TELL_S", 0.0)

    def broken(shard: int, start: int) -> None:
        if start:
            raise StoreUnavailable

    bench.sampler.before_batch = broken
    bench.order()
    bench.run(0)
    assert bench.live.get("ds_a").in_work.shards == 0
