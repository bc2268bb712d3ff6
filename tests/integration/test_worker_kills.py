"""Real worker processes, killed at the worst moment: the dataset completes with the bytes of an undisturbed run."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.adapters.celery import CeleryDoorbell
from core.adapters.redis import RedisLeaseBook, RedisLiveView, connect
from core.adapters.s3 import S3Store
from core.catalog import Catalog
from core.dataset import DatasetSpec, DatasetState, utcnow
from core.leases import shard_lease
from core.manifest import DatasetRecord
from core.messages import Reconcile
from core.plan import make_plan
from core.registry import Registry
from deploy.serve import command

LEASE_TTL_S = 2.0  # a shard of SAMPLES takes longer
SAMPLES = 100


class Fleet:
    """Generate and control workers and beat, as their own processes on this test's stores."""

    def __init__(self, store: S3Store, live: RedisLiveView, leases: RedisLeaseBook, env: dict[str, str], logs: Path):
        self.catalog, self.live, self.leases = Catalog(store), live, leases
        self.doorbell = CeleryDoorbell(env["MATTEFORGE_REDIS_URL"])
        self._env, self._logs = {**os.environ, **env}, logs
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("control", "beat", "generate"):
            self.start(name)

    def start(self, name: str) -> None:
        with (self._logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command(name), env=self._env, stdout=log, stderr=log)

    def child(self) -> psutil.Process:
        """The generate worker's pool process."""
        return psutil.Process(self.processes["generate"].pid).children()[0]

    def order(self, dataset_id: str, bundle: str) -> None:
        spec = DatasetSpec(count=SAMPLES + 8, shard_size=SAMPLES)
        plan = make_plan(spec, seed=1, bundle=bundle, thresholds={}, batch_size=2, threads=1, max_attempts_per_sample=2)
        record = DatasetRecord(
            id=dataset_id, owner="o", spec=spec, plan=plan, created_at=utcnow(), body_sha256="0" * 64
        )
        assert self.catalog.claim(record)
        self.live.put(self.catalog.view(dataset_id)[0])
        self.doorbell.ring(Reconcile(dataset_id=dataset_id))

    def wait(self, what: Callable[[], object], timeout_s: float = 60) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not what():
            assert time.monotonic() < deadline_s, self.log()
            time.sleep(0.05)

    def in_work(self, dataset_id: str) -> bool:
        """Its first shard is being sampled."""
        return bool(self.leases.held([shard_lease(dataset_id, 0)]))

    def completed(self, dataset_id: str) -> bool:
        view = self.live.get(dataset_id)
        return view is not None and view.state is DatasetState.COMPLETED

    def sha256s(self, dataset_id: str) -> list[str]:
        return [record.sha256 for record in self.catalog.shard_records(dataset_id)]

    def log(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in sorted(self._logs.glob("*.log")))

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.doorbell.close()


@pytest.fixture
def fleet(
    s3_store: S3Store, redis_live: RedisLiveView, redis_leases: RedisLeaseBook, worker_env: dict[str, str],
    tmp_path: Path,
) -> Iterator[Fleet]:  # fmt: skip
    redis_live.mark_initialised()
    fleet = Fleet(s3_store, redis_live, redis_leases, worker_env, tmp_path)
    yield fleet
    fleet.stop()


@pytest.fixture
def worker_env(s3_store: S3Store, s3: object, valkey_url: str) -> dict[str, str]:
    return {
        "MATTEFORGE_REDIS_URL": valkey_url,
        "MATTEFORGE_S3_ENDPOINT": s3.url,  # type: ignore[attr-defined]
        "MATTEFORGE_S3_ACCESS_KEY": s3.access_key,  # type: ignore[attr-defined]
        "MATTEFORGE_S3_SECRET_KEY": s3.secret_key,  # type: ignore[attr-defined]
        "MATTEFORGE_S3_BUCKET": s3_store._bucket,
        "MATTEFORGE_DEVICE": "cpu",
        "MATTEFORGE_LEASE_TTL_S": str(LEASE_TTL_S),
        "MATTEFORGE_LEASE_RENEW_S": "0.4",
        "MATTEFORGE_RECONCILE_EVERY_S": "0.5",
        "MATTEFORGE_VISIBILITY_TIMEOUT_S": "3600",
        "OMP_NUM_THREADS": "1",
    }


def test_killed_workers_and_a_flushed_redis_lose_and_double_nothing(
    fleet: Fleet, bundle_folder: Path, valkey_url: str
) -> None:
    bundle = Registry(fleet.catalog.store).publish(bundle_folder).digest
    fleet.order("ds_calm", bundle)
    fleet.wait(lambda: fleet.completed("ds_calm"))
    expected = fleet.sha256s("ds_calm")
    assert len(expected) == 2
    assert fleet.log().count(f"ds_calm 000000.tar: {SAMPLES} samples") == 1, "longer than its lease, yet made once"

    fleet.order("ds_child", bundle)
    fleet.wait(lambda: fleet.in_work("ds_child"))
    time.sleep(0.5)
    fleet.child().kill()
    fleet.wait(lambda: fleet.completed("ds_child"))
    assert fleet.sha256s("ds_child") == expected

    fleet.order("ds_parent", bundle)
    fleet.wait(lambda: fleet.in_work("ds_parent"))
    time.sleep(0.5)
    child = fleet.child()
    fleet.processes["generate"].kill()
    fleet.processes["generate"].wait()
    fleet.wait(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, timeout_s=5)
    fleet.start("generate")
    fleet.wait(lambda: fleet.completed("ds_parent"))
    assert fleet.sha256s("ds_parent") == expected

    fleet.order("ds_flushed", bundle)
    fleet.wait(lambda: fleet.in_work("ds_flushed"))
    client = connect(valkey_url)
    client.flushall()
    client.close()
    fleet.wait(lambda: fleet.completed("ds_flushed"))
    assert fleet.sha256s("ds_flushed") == expected
    names = ["ds_calm", "ds_child", "ds_parent", "ds_flushed"]
    assert {fleet.live.get(name).counts.accepted for name in names} == {SAMPLES + 8}  # type: ignore[union-attr]
