"""A worker whose acknowledgement failed, or that idles while messages wait, ends."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from celery.worker import state

from core.adapters.memory_doorbell import MemoryDoorbell
from core.errors import LiveViewUnavailable
from core.messages import QUEUE_GENERATE, RunShard
from workers import consumption
from workers.consumption import PATIENCE, Delivery, Watchdog

NAME = "generate-1"


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    reasons: list[str] = []
    monkeypatch.setattr(consumption, "end_worker", reasons.append)
    return reasons


@pytest.mark.parametrize(("told", "closed"), [(True, False), (False, False), (False, True)])
@pytest.mark.parametrize("answer", ["acknowledge", "reject"])
def test_a_failed_acknowledgement_ends_the_worker(
    ended: list[str], monkeypatch: pytest.MonkeyPatch, answer: str, told: bool, closed: bool
) -> None:
    """Celery logs the error and keeps the message in its window: kombu.Message.ack_log_error."""
    later: list[Callable[[], None]] = []
    loop = SimpleNamespace(call_later=lambda delay_s, check: later.append(check))
    monkeypatch.setattr(consumption, "get_event_loop", lambda: loop)
    delivery = Delivery.__new__(Delivery)
    delivery._already_acknowledged = False
    delivery.acknowledged = False
    delivery._on_ack = delivery._on_reject = lambda *_: None
    delivery._connection_errors = ()
    delivery._message = SimpleNamespace(acknowledged=False, channel=SimpleNamespace(closed=closed))
    delivery._eventer = None
    getattr(delivery, answer)()
    assert not ended, "it is sent by the loop, after this"
    delivery._message.acknowledged = told
    for check in later:
        check()
    assert bool(ended) is not (told or closed)


def test_tasks_are_delivered_so() -> None:
    from workers.app import app

    kinds = {task.Request for name, task in app.tasks.items() if name.startswith("matteforge.")}
    assert kinds == {"workers.consumption:Delivery"}


def test_the_end_is_asked_of_celery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "should_stop", None)
    monkeypatch.setattr(consumption, "LAST_GRACE_S", 3600)
    consumption.end_worker("a test")
    assert state.should_stop == consumption.EXIT_CODE


class Worker:
    """What a watchdog sees of one."""

    def __init__(self) -> None:
        self.doorbell, self.taken, self.busy = MemoryDoorbell(), 0, False
        self.ends: list[str] = []
        self.watchdog = Watchdog(
            self.doorbell,
            name=NAME,
            queue=QUEUE_GENERATE,
            taken=lambda: self.taken,
            busy=lambda: self.busy,
            end=self.ends.append,
        )

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.watchdog.look()


@pytest.fixture
def worker() -> Worker:
    made = Worker()
    made.doorbell.ring(RunShard(dataset_id="ds_a", shard=0))
    return made


def test_one_that_takes_nothing_while_messages_wait_ends(worker: Worker) -> None:
    worker.look(PATIENCE - 1)
    assert not worker.ends
    assert worker.doorbell.consumers()[0].stalled
    worker.look()
    assert len(worker.ends) == 1


def test_one_that_works_takes_its_time(worker: Worker) -> None:
    worker.busy = True
    worker.look(10 * PATIENCE)
    assert not worker.ends
    assert not worker.doorbell.consumers()[0].stalled


def test_one_that_takes_messages_stays(worker: Worker) -> None:
    for _ in range(10 * PATIENCE):
        worker.taken += 1
        worker.look()
    assert not worker.ends


def test_an_empty_queue_is_no_reason() -> None:
    worker = Worker()
    worker.look(10 * PATIENCE)
    assert not worker.ends


def test_a_broker_that_is_away_is_no_reason(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.look(PATIENCE - 1)

    def away(queue: str) -> int:
        raise LiveViewUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(worker.doorbell, "depth", away)
        worker.look(PATIENCE)
    worker.look(PATIENCE - 1)
    assert not worker.ends
