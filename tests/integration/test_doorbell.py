"""The doorbell against a real broker: what it sends, a worker would find."""

import json
from collections.abc import Iterator

import pytest

from core.adapters.celery import CeleryDoorbell, make_celery
from core.adapters.memory_doorbell import MemoryDoorbell
from core.adapters.redis_connection import connect
from core.errors import LiveViewUnavailable
from core.messages import (
    PRIORITIES,
    PRIORITY_LAST,
    QUEUE_CONTROL,
    QUEUE_GENERATE,
    Consumer,
    Reconcile,
    RunShard,
)
from core.ports import Doorbell
from deploy.local.ports import free_ports


@pytest.fixture
def celery_doorbell(valkey_url: str) -> Iterator[CeleryDoorbell]:
    doorbell = CeleryDoorbell(valkey_url)
    yield doorbell
    doorbell.close()


@pytest.fixture(params=["memory", "celery"])
def doorbell(request: pytest.FixtureRequest) -> Doorbell:
    return (
        MemoryDoorbell()
        if request.param == "memory"
        else request.getfixturevalue("celery_doorbell")
    )


def test_waiting_messages_are_counted_by_queue(doorbell: Doorbell) -> None:
    assert doorbell.depth(QUEUE_GENERATE) == 0
    for priority in PRIORITIES:
        doorbell.ring(RunShard(dataset_id="ds_a", shard=priority), priority=priority)
    doorbell.ring(Reconcile())
    assert doorbell.depth(QUEUE_GENERATE) == len(PRIORITIES)
    assert doorbell.depth(QUEUE_CONTROL) == 1


def test_the_most_urgent_message_is_received_first(
    celery_doorbell: CeleryDoorbell, valkey_url: str
) -> None:
    celery_doorbell.ring(RunShard(dataset_id="ds_huge", shard=7), priority=PRIORITY_LAST)
    celery_doorbell.ring(RunShard(dataset_id="ds_small", shard=0), priority=0)
    received = []
    app = make_celery(valkey_url)
    with app.connection_for_read() as connection, connection.SimpleQueue(QUEUE_GENERATE) as queue:
        for _ in range(2):
            message = queue.get(timeout=5)
            received.append((message.headers["task"], message.payload[1]))
            message.ack()
    app.close()
    assert received == [
        ("matteforge.run_shard", {"dataset_id": "ds_small", "shard": 0}),
        ("matteforge.run_shard", {"dataset_id": "ds_huge", "shard": 7}),
    ]
    assert celery_doorbell.depth(QUEUE_GENERATE) == 0


def test_the_bell_of_a_dataset_is_rung_once_until_it_is_answered(doorbell: Doorbell) -> None:
    for _ in range(3):
        doorbell.ring(Reconcile(dataset_id="ds_a"))
    assert doorbell.depth(QUEUE_CONTROL) == 1
    doorbell.ring(Reconcile(dataset_id="ds_b"))
    assert doorbell.depth(QUEUE_CONTROL) == 2
    doorbell.rearm(Reconcile(dataset_id="ds_a"))
    doorbell.ring(Reconcile(dataset_id="ds_b"))
    assert doorbell.depth(QUEUE_CONTROL) == 2
    doorbell.ring(Reconcile(dataset_id="ds_a"))
    assert doorbell.depth(QUEUE_CONTROL) == 3


def test_shards_and_general_bells_are_all_sent(doorbell: Doorbell) -> None:
    for _ in range(2):
        doorbell.ring(Reconcile())
        doorbell.ring(RunShard(dataset_id="ds_a", shard=0))
    assert (doorbell.depth(QUEUE_CONTROL), doorbell.depth(QUEUE_GENERATE)) == (2, 2)


def test_workers_that_are_there_are_known(doorbell: Doorbell) -> None:
    assert doorbell.consumers() == []
    told = [
        Consumer(name=name, queue=QUEUE_GENERATE, idle_s=idle_s)
        for name, idle_s in (("generate-1", 0.0), ("generate-2", 20.0))
    ]
    for consumer in reversed(told):
        doorbell.attend(consumer)
    assert doorbell.consumers() == told
    assert [consumer.stalled for consumer in told] == [False, True]


def test_workers_that_are_gone_are_forgotten(
    celery_doorbell: CeleryDoorbell, monkeypatch: pytest.MonkeyPatch
) -> None:
    celery_doorbell.attend(Consumer(name="generate-1", queue=QUEUE_GENERATE, idle_s=0.0))
    monkeypatch.setattr("core.adapters.celery.CONSUMER_TTL_S", -1.0)
    assert celery_doorbell.consumers() == []


def test_messages_are_json(celery_doorbell: CeleryDoorbell, valkey_url: str) -> None:
    celery_doorbell.ring(Reconcile(dataset_id="ds_a"))
    client = connect(valkey_url)
    raw = json.loads(client.lrange(QUEUE_CONTROL, 0, -1)[0])
    client.close()
    assert raw["content-type"] == "application/json"


def test_silence_is_unavailability() -> None:
    doorbell = CeleryDoorbell(f"redis://127.0.0.1:{free_ports(1)[0]}/0")
    with pytest.raises(LiveViewUnavailable):
        doorbell.ring(Reconcile())
    with pytest.raises(LiveViewUnavailable):
        doorbell.depth(QUEUE_CONTROL)
    doorbell.close()
