"""workers.control.reconcile_training: every run gets a trainer, one a domain, and the queue does
not grow."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from core.corpora import CorpusBook, CorpusManifest
from core.datasets.dataset import utcnow
from core.messages import RunCycle
from core.training.run import RunEnd, domain_lease, new_run_id
from core.training.runs import TrainingRuns, pin_run
from core.training.schedules import Schedules, ScheduleSpec
from matteforge.schemas.training import RunState, TrainingSpec
from workers.control.reconcile_training import reconcile_training


@pytest.fixture
def grow(bench: Any, corpus_of: Callable[..., CorpusManifest]) -> Callable[..., None]:
    """Adds three shards of nine samples more."""
    return lambda suffix="": CorpusBook(bench.store).grow(corpus_of(suffix=suffix))


@pytest.fixture
def order(bench: Any, grow: Callable[..., None]) -> Callable[..., str]:
    grow()

    def claim(domain="a"):
        spec = TrainingSpec(domain=domain, labelled=["c"], unlabelled=["c"])
        record = pin_run(bench.store, spec, run_id=new_run_id("o", None), owner="o")
        assert TrainingRuns(bench.store).claim(record)
        return record.id

    return claim


def rung(bench):
    return [message.run_id for message, _ in bench.doorbell.rung if isinstance(message, RunCycle)]


def test_the_oldest_run_of_each_domain_is_rung_for_once(bench, order):
    first, _second, other = order("a"), order("a"), order("b")
    for _ in range(5):
        reconcile_training(bench.context)
    assert rung(bench) == [first, other]


def test_nothing_is_rung_for_while_somebody_trains(bench, order):
    order()
    bench.leases.acquire(domain_lease("a"), "trainer", 30)
    reconcile_training(bench.context)
    assert rung(bench) == []


def test_a_lost_message_and_a_dead_trainer_are_rung_for_again(bench, order):
    run_id = order()
    reconcile_training(bench.context)
    bench.doorbell.rung.clear()  # delivered or lost
    bench.leases.acquire(domain_lease("a"), "trainer", 30)
    bench.clock_s += 20
    reconcile_training(bench.context)
    assert rung(bench) == []
    bench.clock_s += 20  # it renewed nothing: it is dead
    reconcile_training(bench.context)
    assert rung(bench) == [run_id]


def test_a_waiting_message_is_not_doubled(bench, order):
    order()
    for _ in range(5):
        bench.clock_s += 60
        reconcile_training(bench.context)
    assert len(rung(bench)) == 1


def test_a_cancelled_run_without_a_trainer_ends_and_the_next_one_starts(bench, order):
    first, second = order(), order()
    runs = TrainingRuns(bench.store)
    runs.cancel(first, utcnow())
    reconcile_training(bench.context)
    assert runs.end(first).state is RunState.CANCELLED
    reconcile_training(bench.context)
    assert rung(bench) == [second]
    runs.finish(second, RunEnd(state=RunState.COMPLETED, at=utcnow()))
    assert runs.active() == []
    assert list(bench.store.list_keys("training-active/")) == []


HOUR = timedelta(hours=1)


@pytest.fixture
def schedules(bench: Any, grow: Callable[..., None]) -> Schedules:
    grow()
    schedules = Schedules(bench.store)

    def set_(now, **changes):
        run = TrainingSpec(domain="a", labelled=["c"], unlabelled=["c"])
        return schedules.set(ScheduleSpec(**{"every_s": 3600.0, "run": run, **changes}), "o", now)

    schedules.set_a = set_
    return schedules


def end(bench, run_id):
    TrainingRuns(bench.store).finish(run_id, RunEnd(state=RunState.COMPLETED, at=utcnow()))


def test_a_schedule_orders_a_run_at_once_and_then_from_time_to_time(bench, schedules):
    now = utcnow()
    schedules.set_a(now)
    (first,) = schedules.start_due(now)
    assert schedules.get("a").last_run == first
    end(bench, first)
    assert schedules.start_due(now + HOUR / 2) == []
    assert "UTC" in schedules.turn(schedules.get("a"), now).waits_for
    (second,) = schedules.start_due(utcnow() + HOUR)
    assert len({first, second} | set(TrainingRuns(bench.store).ids())) == 2


def test_a_scheduled_run_waits_for_new_samples(bench, grow, schedules):
    now = utcnow()
    schedules.set_a(now, min_new_samples=28)
    assert schedules.start_due(now) == []
    assert schedules.turn(schedules.get("a"), now).waits_for == "1 more new samples"
    grow("more")
    (first,) = schedules.start_due(now)
    end(bench, first)
    later = utcnow() + HOUR
    assert schedules.turn(schedules.get("a"), later).new_samples == 0
    assert schedules.start_due(later) == []
    grow("again")
    grow("and again")
    assert len(schedules.start_due(later)) == 1


def test_a_scheduled_run_waits_for_the_one_under_way(bench, schedules, order):
    by_hand = order("a")
    schedules.set_a(utcnow())
    assert schedules.start_due(utcnow()) == []
    assert schedules.turn(schedules.get("a"), utcnow()).waits_for == f"the end of {by_hand}"
    end(bench, by_hand)
    assert len(schedules.start_due(utcnow())) == 1


def test_two_that_look_at_once_or_one_that_dies_in_between_order_one_run(bench, schedules):
    now = utcnow()
    schedule = schedules.set_a(now)
    assert schedules.start(schedule, now) == schedules.start(schedule, now)
    bench.store.put(
        "schedules/a.json", schedule.model_dump_json().encode()
    )  # died before it could note the run
    assert len(schedules.start_due(now)) == 1
    assert len(list(TrainingRuns(bench.store).ids())) == 1
    assert schedules.get("a").last_run is not None


def test_a_replaced_schedule_counts_from_its_last_run_and_a_deleted_one_orders_nothing(
    bench, schedules
):
    now = utcnow()
    schedules.set_a(now)
    (first,) = schedules.start_due(now)
    end(bench, first)
    schedules.set_a(now, every_s=7200.0)
    assert schedules.start_due(utcnow() + HOUR) == []
    assert len(schedules.start_due(utcnow() + 2 * HOUR)) == 1
    schedules.delete("a")
    assert schedules.start_due(utcnow() + 9 * HOUR) == []


def test_a_schedule_whose_corpus_is_gone_says_so_and_orders_nothing(bench, schedules):
    schedules.set_a(utcnow())
    CorpusBook(bench.store).delete("c")
    assert schedules.start_due(utcnow()) == []
    assert "no corpus 'c'" in schedules.turn(schedules.get("a"), utcnow()).waits_for


def test_the_reconciler_orders_what_is_due_and_rings(bench, schedules):
    schedules.set_a(utcnow())
    for _ in range(3):
        reconcile_training(bench.context)
    (run_id,) = TrainingRuns(bench.store).ids()
    assert rung(bench) == [run_id]
