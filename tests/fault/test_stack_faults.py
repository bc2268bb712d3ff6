"""What a stack survives, and what it leaves when it does not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from deploy.local.stack import Stack
from matteforge.client import MatteForge

ORDER = {"seed": 5, "shard_size": 10}
COUNT = 400
VICTIMS = ("generate-1", "valkey", "seaweedfs", "beat", "control", "api")


def test_an_order_survives_the_death_of_every_process_with_the_same_bytes(stack: Stack) -> None:
    with MatteForge(stack.url, stack.api_key, attempts=10) as client:
        calm = client.wait(client.order(COUNT, **ORDER).id, poll_s=0.2, timeout_s=120)
        ordered = client.order(COUNT, **ORDER)
        for number, victim in enumerate(VICTIMS):
            _wait_for_shards(client, ordered.id, 3 * number + 1)
            os.kill(stack.supervisor.pids()[victim], signal.SIGKILL)
        troubled = client.wait(ordered.id, poll_s=0.2, timeout_s=180)
        expected = [shard.sha256 for shard in client.shards(calm.id)]
        assert (troubled.state, troubled.counts) == ("completed", calm.counts)
        assert [shard.sha256 for shard in client.shards(troubled.id)] == expected
    assert len(set(expected)) == COUNT // 10


def _wait_for_shards(client: MatteForge, dataset_id: str, number: int) -> None:
    deadline_s = time.monotonic() + 90
    while client.get(dataset_id).counts.shards_done < number:
        assert time.monotonic() < deadline_s, f"fewer than {number} shards"
        time.sleep(0.05)


def test_a_killed_stack_leaves_no_process(tmp_path: Path, bundle_folder: Path) -> None:
    main = f"""
import time
from pathlib import Path
from deploy.local.stack import Stack
from matteforge.client import MatteForge
stack = Stack(Path({str(tmp_path / "data")!r}), bundles=(Path({str(bundle_folder)!r}),)).start()
with MatteForge(stack.url, stack.api_key) as client:
    dataset = client.order(100_000)
    while not client.get(dataset.id).state == "running":
        time.sleep(0.1)
print("running", flush=True)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", main], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        deadline_s = time.monotonic() + 60
        while len(descendants := psutil.Process(process.pid).children(recursive=True)) < 11:
            assert time.monotonic() < deadline_s, "8 programs and the pool children of 3 workers"
            time.sleep(0.1)
        process.kill()
    _, alive = psutil.wait_procs(descendants, timeout=10)
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []
