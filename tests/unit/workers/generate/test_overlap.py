"""Encoding beside the model and a commit behind the task: order, bounds, errors, and who waits for
whom."""

import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.errors import StoreUnavailable
from core.leases import shard_lease
from workers.generate import members
from workers.generate import run_shard as module
from workers.generate.overlap import BackgroundCommit, map_ahead


def test_results_come_in_order_whoever_is_done_first() -> None:
    gate = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            gate.wait(5)
        else:
            gate.set()
        return item * item

    with ThreadPoolExecutor(2) as pool:
        assert list(map_ahead(pool, work, range(6), ahead=3)) == [0, 1, 4, 9, 16, 25]


def test_no_more_than_the_bound_is_drawn_while_results_are_awaited() -> None:
    gate, drawn = threading.Event(), []

    def items() -> Any:
        for item in range(100):
            drawn.append(item)
            yield item

    with ThreadPoolExecutor(1) as pool:
        results = map_ahead(pool, lambda item: gate.wait(5) and item, items(), ahead=4)
        threading.Timer(0.2, gate.set).start()
        assert next(results) == 0
        assert len(drawn) == 5


def test_an_error_of_the_work_is_raised_where_results_are_read() -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        list(map_ahead(pool, lambda item: 1 // item, [1, 0, 2], ahead=2))


def test_the_caller_goes_on_and_the_second_work_waits_for_the_first() -> None:
    gate, done = threading.Event(), []
    commits = BackgroundCommit()
    commits(lambda: (gate.wait(5), done.append(1))[1])
    assert done == []
    threading.Timer(0.1, gate.set).start()
    commits(lambda: done.append(2))
    commits.wait()
    assert done == [1, 2]


def test_what_work_raised_is_raised_by_the_next_call_once() -> None:
    commits = BackgroundCommit()
    commits(lambda: 1 // 0)  # type: ignore[arg-type,return-value]
    with pytest.raises(ZeroDivisionError):
        commits.wait()
    commits.wait()


@pytest.fixture
def delayed(bench: Any) -> list[Any]:
    """Commits that wait here until the test runs them."""
    works: list[Any] = []
    object.__setattr__(bench.context, "in_background", works.append)
    return works


def test_the_lease_is_held_until_the_shard_is_committed(bench: Any, delayed: list[Any]) -> None:
    bench.order()
    bench.run(0)
    assert bench.catalog.shard_record("ds_a", 0) is None
    assert bench.leases.held([shard_lease("ds_a", 0)])
    delayed.pop()()
    assert bench.catalog.shard_record("ds_a", 0).samples == 4
    assert not bench.leases.held([shard_lease("ds_a", 0)])
    assert bench.live.get("ds_a").counts.shards_done == 1


def test_a_lease_that_was_lost_meanwhile_stops_the_commit(bench: Any, delayed: list[Any]) -> None:
    bench.order()
    bench.run(0)
    bench.clock_s += 31
    bench.leases.acquire(shard_lease("ds_a", 0), "somebody else", 30)
    delayed.pop()()
    assert bench.leases.held([shard_lease("ds_a", 0)]), "somebody else's stays"


def test_a_store_that_is_away_leaves_the_shard_to_the_reconciler(
    bench: Any, delayed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.order()
    bench.run(0)

    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("S3 does not answer")

    monkeypatch.setattr(module, "commit_shard", away)
    rung = len(bench.doorbell.rung)
    delayed.pop()()
    assert not bench.leases.held([shard_lease("ds_a", 0)])
    assert len(bench.doorbell.rung) == rung, "not at once: the store needs time"


def test_a_shard_is_encoded_off_the_model_s_thread(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    encode = members.encode_alpha
    monkeypatch.setattr(
        members,
        "encode_alpha",
        lambda alpha: (threads.add(threading.current_thread()), encode(alpha))[1],
    )
    bench.order()
    bench.run(0)
    assert threads
    assert threading.main_thread() not in threads


def test_a_commit_that_breaks_keeps_no_lease_of_the_next_shard(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the commit before raises comes out of the next task, whose own is not begun then."""
    commits = BackgroundCommit()
    object.__setattr__(bench.context, "in_background", commits)
    bench.order()

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(module, "commit_shard", broken)
        bench.run(0)
        with pytest.raises(ZeroDivisionError):
            bench.run(1)
    assert not bench.leases.held([shard_lease("ds_a", shard) for shard in (0, 1)])
    bench.run(1)
    commits.wait()
    assert bench.catalog.shard_record("ds_a", 1)


def test_a_full_disk_leaves_the_shard_to_the_reconciler(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.order()

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "make_shard", full)
        for _ in range(module.MAX_TRIES + 1):
            bench.run(0)
    assert not bench.leases.held([shard_lease("ds_a", 0)])
    bench.work()
    assert bench.live.get("ds_a").state == "completed", "no such try counts as a crash"
