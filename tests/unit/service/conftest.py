"""The API on memory adapters, with one published model."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from core.adapters.memory import MemoryLiveView
from core.adapters.memory_doorbell import MemoryDoorbell
from core.adapters.memory_store import MemoryStore
from core.bundle import Bundle
from core.datasets.catalog import Catalog
from core.datasets.dataset import utcnow
from core.datasets.manifest import ManifestHead, ShardRecord
from core.registry import Registry
from core.settings import Settings
from matteforge.schemas.datasets import Counts, DatasetState
from service.app import create_app
from service.deadline import Deadline

API_KEY = "mf_test"


@dataclass(kw_only=True)
class World:
    """A running API and what lies behind it."""

    store: MemoryStore
    live: MemoryLiveView
    doorbell: MemoryDoorbell
    catalog: Catalog
    bundle: Bundle
    http: TestClient

    def order(self, **spec: object) -> dict:
        answer = self.http.post("/v1/datasets", json={"count": 30, "shard_size": 10, **spec})
        assert answer.status_code == 202, answer.text
        return answer.json()

    def commit(self, dataset_id: str, shard: int, samples: int = 10) -> ShardRecord:
        """What a worker does at the end of a shard."""
        record = ShardRecord(
            shard=shard,
            name=f"{shard:06d}.tar",
            samples=samples,
            attempted=samples + 2,
            rejected={"mad": 2},
            size_bytes=1234,
            sha256=hashlib.sha256(str(shard).encode()).hexdigest(),
        )
        self.catalog.put_shard_record(dataset_id, record)
        self.live.add_shard(dataset_id, record)
        return record

    def end(self, dataset_id: str, state: DatasetState = DatasetState.COMPLETED) -> None:
        """What the control worker does at the end of a dataset."""
        request = self.catalog.request(dataset_id)
        counts = Counts(
            requested=30,
            accepted=30,
            attempted=36,
            rejected={"mad": 6},
            shards_done=3,
            shards_total=3,
        )
        now = utcnow()
        head = ManifestHead(
            id=dataset_id,
            state=state,
            counts=counts,
            error=None,
            timestamps={DatasetState.QUEUED: request.created_at, state: now},
        )
        self.catalog.finish(request, head, self.catalog.shard_records(dataset_id))
        self.live.set_state(dataset_id, state, now, counts=counts)

    def publish(self, folder: Path, name: str, psi: float) -> Bundle:
        return publish(self.store, folder / "bundle", name, psi)


def publish(
    store: MemoryStore, folder: Path, name: str = "humans", psi: float | None = None
) -> Bundle:
    folder.mkdir(exist_ok=True)
    (folder / "generator.safetensors").write_bytes(b"weights")
    bundle = Bundle(
        name=name,
        files={"generator.safetensors": hashlib.sha256(b"weights").hexdigest()},
        thresholds={"mad": 0.03, "iou": 0.9},
        resolution=128,
        truncation_psi=psi,
        card={"kimg": 100},
    )
    (folder / "bundle.json").write_bytes(bundle.to_bytes())
    return Registry(store).publish(folder)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store, live, doorbell = MemoryStore(), MemoryLiveView(), MemoryDoorbell()
    bundle = publish(store, tmp_path)
    app = create_app(Settings(api_key=API_KEY), store=store, live=live, doorbell=doorbell)
    (deadline,) = [one for one in app.user_middleware if one.cls is Deadline]
    deadline.kwargs["seconds"] = 300  # memory never hangs, but the machine may be busy
    with TestClient(
        app, headers={"Authorization": f"Bearer {API_KEY}"}, follow_redirects=False
    ) as http:
        yield World(
            store=store,
            live=live,
            doorbell=doorbell,
            catalog=Catalog(store),
            bundle=bundle,
            http=http,
        )
