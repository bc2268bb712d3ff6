"""Processes stop for a while but keep their sockets, as in a paused machine or a stalled disk.

Afterwards the order under way ends with the bytes that it would have had, and new orders are
served. Each process alone, and durations above 20 s, are for `make test-slow`.
"""

import os
import signal
import time

import pytest

from deploy.local.stack import Stack
from matteforge.client import MatteForge

ORDER = {"seed": 5, "shard_size": 10}
COUNT = 100
SERVERS = [("valkey",), ("seaweedfs",)]
OURS = ("generate-1", "control", "beat", "api")
EACH = [*SERVERS, *((name,) for name in OURS), ("train", "matte"), OURS]
SHORT = [*((names, seconds) for seconds in (5, 20) for names in SERVERS), (OURS, 20)]
LONG = [(names, s) for names in EACH for s in (5, 20, 60, 180) if (names, s) not in SHORT]
AFTERWARDS_S = 240


def _id(value: object) -> str:
    return "+".join(value) if isinstance(value, tuple) else f"{value}s"


@pytest.fixture(scope="module")
def expected(stack: Stack) -> list[str]:
    """SHA-256 of each shard of a calm order."""
    with MatteForge(stack.url, stack.api_key) as client:
        calm = client.wait(client.order(COUNT, **ORDER).id, poll_s=0.2, timeout_s=240)
        assert calm.state == "completed"
        return [shard.sha256 for shard in client.shards(calm.id)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("names", "seconds"),
    [*SHORT, *(pytest.param(*case, marks=pytest.mark.slow) for case in LONG)],
    ids=_id,
)
def test_orders_go_on_after_a_freeze(
    stack: Stack, expected: list[str], names: tuple[str, ...], seconds: int
) -> None:
    with MatteForge(stack.url, stack.api_key, attempts=10) as client:
        ordered = client.order(COUNT, **ORDER)
        _wait_for_shards(client, ordered.id, 1)
        groups = [stack.supervisor.pids()[name] for name in names]
        _signal(groups, signal.SIGSTOP)
        time.sleep(seconds)
        _signal(groups, signal.SIGCONT)
        continued_s = time.monotonic()
        done = client.wait(ordered.id, poll_s=0.2, timeout_s=AFTERWARDS_S)
        assert done.state == "completed"
        assert [shard.sha256 for shard in client.shards(ordered.id)] == expected
        small = client.order(3, seed=1)
        assert client.wait(small.id, poll_s=0.2, timeout_s=120).state == "completed"
        print(f"{_id(names)} {seconds} s: {time.monotonic() - continued_s:.1f} s afterwards")


def _signal(groups: list[int], number: signal.Signals) -> None:
    for group in groups:
        os.killpg(group, number)


def _wait_for_shards(client: MatteForge, dataset_id: str, number: int) -> None:
    deadline_s = time.monotonic() + 60
    while client.get(dataset_id).counts.shards_done < number:
        assert time.monotonic() < deadline_s, f"fewer than {number} shards"
        time.sleep(0.05)
