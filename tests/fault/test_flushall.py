"""Redis loses everything in mid-order: nothing that S3 knows is lost."""

import time

from core.adapters.redis_connection import connect
from deploy.local.stack import Stack
from matteforge.client import MatteForge


def flush(stack: Stack) -> None:
    redis = connect(stack.valkey.url)
    redis.flushall()
    redis.close()


def wait_for_shards(client: MatteForge, dataset_id: str, number: int) -> None:
    deadline_s = time.monotonic() + 60
    while client.get(dataset_id).counts.shards_done < number:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_an_order_completes_with_the_same_bytes(stack, client):
    undisturbed = client.wait(
        client.order(1000, seed=9, shard_size=50).id, poll_s=0.2, timeout_s=200
    )
    flushed = client.order(1000, seed=9, shard_size=50)
    wait_for_shards(client, flushed.id, 3)
    flush(stack)
    assert not client.get(flushed.id).state.terminal, "flushed too late to show anything"
    done = client.wait(flushed.id, poll_s=0.2, timeout_s=200)
    assert done.state == "completed"
    assert done.counts == undisturbed.counts
    shas = [[shard.sha256 for shard in client.shards(d.id)] for d in (undisturbed, done)]
    assert shas[0] == shas[1]
    assert len(shas[0]) == 20


def test_a_cancelled_dataset_stays_cancelled_and_a_deleted_one_deleted(stack, client):
    cancelled = client.order(100_000, seed=1, shard_size=100)
    deleted = client.order(8, seed=1, shard_size=8)
    client.wait(deleted.id, poll_s=0.2, timeout_s=60)
    client.delete(deleted.id)
    wait_for_shards(client, cancelled.id, 1)
    client.cancel(cancelled.id)
    flush(stack)
    done = client.wait(cancelled.id, poll_s=0.2, timeout_s=60)
    assert done.state == "cancelled"
    flush(stack)
    time.sleep(3)
    assert client.get(cancelled.id).state == "cancelled"
    assert deleted.id not in [dataset.id for dataset in client.list()]
    assert len(list(client.shards(cancelled.id))) == done.counts.shards_done
