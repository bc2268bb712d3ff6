"""A shard that takes longer than every timeout in the settings, and a kill in its middle."""

import time

import psutil

from client.client import MatteForge
from deploy.local.stack import Stack

SAMPLES = 600


def test_a_shard_longer_than_every_timeout_survives_a_kill(stack: Stack, client: MatteForge) -> None:
    calm = client.wait(client.order(SAMPLES, seed=3, shard_size=SAMPLES).id, poll_s=0.2, timeout_s=120)
    assert calm.state == "completed"
    troubled = client.order(SAMPLES, seed=3, shard_size=SAMPLES)
    while client.get(troubled.id).state != "running":
        time.sleep(0.1)
    time.sleep(2)
    for child in psutil.Process(stack.supervisor.pids()["generate-1"]).children():
        child.kill()
    done = client.wait(troubled.id, poll_s=0.2, timeout_s=120)
    assert (done.state, done.counts) == ("completed", calm.counts)
    first, again = ([shard.sha256 for shard in client.shards(dataset.id)] for dataset in (calm, done))
    assert first == again
    assert len(first) == 1
