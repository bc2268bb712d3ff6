"""The wall clock jumps by ten minutes or an hour, either way: orders go on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.beat import Scheduler

from core import keys
from workers.beat import every

JUMPS = [-3600, -600, 600, 3600]
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(Scheduler, "apply_async", lambda self, entry, **_: names.append(entry.task))
    return names


@pytest.mark.parametrize("jump_s", JUMPS)
def test_beat_ticks_by_the_monotonic_clock(
    sent: list[str], monkeypatch: pytest.MonkeyPatch, jump_s: int
) -> None:
    """Celery's scheduler itself; its wall clock is `app.now`."""
    monotonic, wall = [100.0], [START]
    app = Celery("test", broker="memory://", set_as_current=False)
    monkeypatch.setattr(app, "now", lambda: wall[0])
    monkeypatch.setattr(app, "_now", lambda: wall[0], raising=False)
    app.conf.beat_schedule = {
        "tick": {"task": "reconcile", "schedule": every(5, clock=lambda: monotonic[0])}
    }
    scheduler = Scheduler(app)

    def live(seconds: int) -> None:
        for _ in range(seconds):
            monotonic[0] += 1
            wall[0] += timedelta(seconds=1)
            assert scheduler.tick() <= 5

    live(20)
    before = len(sent)
    assert before >= 3
    wall[0] += timedelta(seconds=jump_s)
    live(20)
    assert 3 <= len(sent) - before <= 4


@pytest.mark.parametrize("jump_s", JUMPS)
def test_a_lost_message_is_rung_again_whatever_the_clock_says(bench: Any, jump_s: int) -> None:
    """The leases' clock is Redis', which is told apart: see test_lease_contract.py."""
    bench.order()
    bench.reconcile()
    bench.doorbell.rung.clear()  # the broker lost them
    lease_clock_s = [0.0]
    bench.leases._clock = lambda: lease_clock_s[0]
    bench.clock_s += jump_s
    for _ in range(20):
        bench.clock_s += 5
        lease_clock_s[0] += 5
        bench.reconcile()
        while bench.take():
            pass
    assert bench.store.head(keys.manifest("ds_a")) is not None


def test_ticks_that_piled_up_cost_one_pass(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from workers import tasks

    passes: list[str | None] = []
    monkeypatch.setattr(tasks, "reconcile", lambda context, now_s, name: passes.append(name))
    monkeypatch.setattr(tasks, "reconcile_training", lambda context: None)
    app = Celery("test", broker="memory://", set_as_current=False)
    tasks.register_tasks(app, lambda: bench.context)
    task = app.tasks["matteforge.reconcile"]
    for _ in range(100):
        task(tick=True)
    assert passes == [None]
    task(dataset_id="ds_a")
    task()
    assert passes == [None, "ds_a", None], "what somebody asks for is done at once"
    bench.clock_s += 5
    task(tick=True)
    assert len(passes) == 4
