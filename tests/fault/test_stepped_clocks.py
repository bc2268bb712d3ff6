"""One process's wall clock jumps by ten minutes or an hour, either way, with an order under way.

The object store takes no request that is an hour off: who sends such says so, and what it
leaves undone is done once the clock is right."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from impatient import IMPATIENT

from deploy.local.program import Program
from deploy.local.stack import Stack
from matteforge.client import MatteForge

HERE = Path(__file__).parent
ALSO = pytest.mark.slow  # the other half of sixteen
JUMPS_S = (-3600, pytest.param(-600, marks=ALSO), 600, pytest.param(3600, marks=ALSO))
SKEW_S = 900  # what the object store bears
ORDER = {"count": 12, "seed": 5, "shard_size": 4}


class SteppedStack(Stack):
    """Each process has a clock of its own, as a file says."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        path = f"{HERE / 'steppable_clock'}:{HERE.parents[1]}"
        super().__init__(folder / "data", bundles=(bundle,), env=IMPATIENT | {"PYTHONPATH": path})
        self._clocks = folder

    def programs(self) -> list[Program]:
        return [
            replace(one, env={**one.env, "CHAOS_CLOCK": str(self._clocks / one.name)})
            for one in super().programs()
        ]

    def step(self, process: str, off_s: int) -> None:
        (self._clocks / process).write_text(str(off_s))
        time.sleep(0.5)


@pytest.fixture(scope="module")
def stepped(
    tmp_path_factory: pytest.TempPathFactory, bundle_folder: Path
) -> Iterator[SteppedStack]:
    with SteppedStack(tmp_path_factory.mktemp("stepped"), bundle_folder) as stack:
        yield stack


@pytest.fixture(scope="module")
def expected(stepped: SteppedStack) -> list[str]:
    """SHA-256 of each shard of a calm order."""
    with MatteForge(stepped.url, stepped.api_key) as client:
        return bytes_of(client, client.order(**ORDER).id)


def bytes_of(client: MatteForge, dataset_id: str) -> list[str]:
    """SHA-256 of each shard, once the order is done."""
    done = client.wait(dataset_id, poll_s=0.2, timeout_s=240)
    assert done.state == "completed", done.error
    return [shard.sha256 for shard in client.shards(dataset_id)]


@pytest.mark.parametrize("off_s", JUMPS_S)
@pytest.mark.parametrize("process", ["api", "beat", "control", "generate-1"])
def test_orders_outlive_a_jump(
    stepped: SteppedStack, expected: list[str], process: str, off_s: int
) -> None:
    with MatteForge(stepped.url, stepped.api_key, attempts=8) as client:
        under_way = client.order(**ORDER).id
        stepped.step(process, off_s)
        try:
            if process == "api" and abs(off_s) > SKEW_S:
                says_that_its_clock_is_wrong(stepped)
                later = under_way
            else:
                later = client.order(**ORDER).id
            if process not in ("beat", "api") and abs(off_s) > SKEW_S:
                time.sleep(2)
                assert client.get(later).state in ("queued", "running", "finalizing")
                stepped.step(process, 0)
            elif later != under_way:
                assert bytes_of(client, later) == expected, "made while the clock was off"
        finally:
            stepped.step(process, 0)
        assert [bytes_of(client, one) for one in (under_way, later)] == [expected] * 2


def says_that_its_clock_is_wrong(stack: SteppedStack) -> None:
    """What an API answers whose clock the object store doesn't bear."""
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    refused = httpx.post(f"{stack.url}/v1/datasets", json=ORDER, headers=headers, timeout=30)
    assert (refused.status_code, refused.json()["code"]) == (503, "clock_skewed"), refused.text
    assert "set this machine's clock right" in refused.json()["detail"]
    ready = httpx.get(f"{stack.url}/readyz")
    assert (ready.status_code, "clock_skewed" in ready.text) == (503, True), ready.text
