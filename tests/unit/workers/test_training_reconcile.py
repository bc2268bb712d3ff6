"""workers.train.reconcile: every run gets a trainer, one a domain, and the queue does not grow."""

import pytest

from core.corpus import CorpusBook, CorpusKind, CorpusManifest, CorpusShard, Split
from core.dataset import utcnow
from core.messages import RunCycle
from core.training import RunEnd, RunState, TrainingSpec, domain_lease, new_run_id
from core.training_runs import TrainingRuns, pin_run
from workers.train.reconcile import reconcile_training


@pytest.fixture
def order(bench):
    shards = [CorpusShard(name=s, split=s, samples=9, size_bytes=1, sha256=s) for s in Split]
    CorpusBook(bench.store).grow(
        CorpusManifest(
            name="c", kind=CorpusKind.PAIRS, licence="CC0", sources=["x"], updated_at=utcnow(), shards=shards
        )
    )

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
