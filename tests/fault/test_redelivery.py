"""A training task outlasts the broker's visibility timeout: its message comes again and again, the
work does not."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.adapters.celery import CeleryDoorbell
from core.adapters.redis_leases import RedisLeaseBook
from core.adapters.s3 import S3Store
from core.corpora import CorpusBook
from core.datasets.catalog import Catalog
from core.messages import RunCycle
from core.settings import Settings
from core.training.run import new_run_id
from core.training.runs import TrainingRuns, pin_run
from matteforge.schemas.training import RunState, TrainingSpec
from workers.control.reconcile_training import reconcile_training

DRIVER = Path(__file__).parent / "redelivery_driver.py"


def until(condition, limit_s=90.0):
    deadline_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline_s, "it never happened"
        time.sleep(0.1)


@pytest.fixture
def start_worker(
    stores_env: dict[str, str], tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a train worker; returns its process. All die at the end of the test."""
    env = {
        **stores_env,
        "MATTEFORGE_LEASE_TTL_S": "2",
        "MATTEFORGE_LEASE_RENEW_S": "0.3",
        "MATTEFORGE_VISIBILITY_TIMEOUT_S": "2",
        "MATTEFORGE_CACHE_DIR": str(tmp_path / "cache"),
    }
    started = []

    def start():
        log = (tmp_path / f"worker-{len(started)}.log").open("wb")
        command = [sys.executable, str(DRIVER), str(tmp_path / "diary")]
        started.append(subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT))
        log.close()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def context(
    s3_store: S3Store, valkey_url: str, redis_leases: RedisLeaseBook
) -> Iterator[SimpleNamespace]:
    doorbell = CeleryDoorbell(valkey_url)
    yield SimpleNamespace(
        catalog=Catalog(s3_store),
        leases=redis_leases,
        doorbell=doorbell,
        settings=Settings(ring_stale_s=0.5),
    )
    doorbell.close()


def order(store, corpus):
    CorpusBook(store).grow(corpus)
    spec = TrainingSpec(domain="a", labelled=["c"], unlabelled=["c"])
    record = pin_run(store, spec, run_id=new_run_id("o", None), owner="o")
    assert TrainingRuns(store).claim(record)
    return record.id


@pytest.mark.timeout(240)
def test_a_run_longer_than_the_visibility_timeout_is_neither_lost_nor_run_twice(
    start_worker, context, s3_store, corpus_of, tmp_path
):
    run_id, diary = order(s3_store, corpus_of()), tmp_path / "diary"

    def lines(what):
        return (
            [line.split()[0] for line in diary.read_text().splitlines() if what in line]
            if diary.exists()
            else []
        )

    first = start_worker()
    context.doorbell.ring(RunCycle(run_id=run_id))
    until(lambda: lines("works"))
    start_worker()
    until(
        lambda: len(lines("is done with it")) >= 2
    )  # redelivered to the other, which found the lease held
    assert len(set(lines("gets the message"))) == 2
    assert len(lines("works")) == 1, "only the first has worked"

    first.send_signal(signal.SIGKILL)  # with its child; there may be no message left now

    def taken_over():
        reconcile_training(context)
        return len(lines("works")) == 2

    until(taken_over)
    assert len(set(lines("works"))) == 2
    diary.with_name("go").touch()
    runs = TrainingRuns(s3_store)
    until(lambda: runs.end(run_id) is not None)
    assert runs.end(run_id).state is RunState.COMPLETED
    assert len(lines("works")) == 2
    done = runs.view(run_id)
    assert len({record.stage for record in done.stages}) == len(done.stages) == 10
