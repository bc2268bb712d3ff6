"""A shard that takes longer than every timeout in the settings; in its middle the child is killed,
then the parent."""

import time
from collections.abc import Callable

import psutil

from core.adapters.redis_connection import connect
from core.leases import shard_lease
from deploy.local.stack import Stack
from matteforge.client import MatteForge

SAMPLES = 600


def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.1)


def test_a_shard_longer_than_every_timeout_survives_two_kills(
    stack: Stack, client: MatteForge
) -> None:
    calm = client.wait(
        client.order(SAMPLES, seed=3, shard_size=SAMPLES).id, poll_s=0.2, timeout_s=120
    )
    assert calm.state == "completed"
    troubled = client.order(SAMPLES, seed=3, shard_size=SAMPLES)
    redis = connect(stack.valkey.url)

    def holder() -> object:  # the next one may take a lease within milliseconds of its end
        return redis.get(f"mf:lease:{shard_lease(troubled.id, 0)}")

    for victim in ("child", "parent"):
        until(holder)
        time.sleep(1)
        killed = holder()
        assert client.get(troubled.id).counts.shards_done == 0, "killed too late to show anything"
        parent = psutil.Process(stack.supervisor.pids()["generate-1"])
        for process in parent.children() if victim == "child" else [parent]:
            process.kill()
        until(lambda killed=killed: holder() != killed)
    redis.close()
    done = client.wait(troubled.id, poll_s=0.2, timeout_s=120)
    assert (done.state, done.counts) == ("completed", calm.counts)
    first, again = (
        [shard.sha256 for shard in client.shards(dataset.id)] for dataset in (calm, done)
    )
    assert first == again
    assert len(first) == 1
