"""The API as users meet it: uvicorn, Valkey and SeaweedFS for real, spoken to over sockets by the
client."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from core import keys
from core.adapters.redis import RedisLiveView
from core.adapters.redis_connection import connect
from core.adapters.s3 import S3Store
from core.bundle import Bundle
from core.datasets.catalog import Catalog
from core.datasets.dataset import utcnow
from core.datasets.manifest import ManifestHead, ShardRecord
from core.messages import QUEUE_CONTROL
from core.registry import Registry
from core.settings import Settings
from matteforge import MatteForge, MatteForgeRequestError
from matteforge.schemas.datasets import Counts, DatasetState
from service.app import create_app
from service.routes import events

KEY = "mf_integration"


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running API, and what a worker would do behind it."""

    url: str
    store: S3Store
    live: RedisLiveView
    catalog: Catalog

    def commit(self, dataset_id: str, shard: int, body: bytes) -> None:
        record = ShardRecord(
            shard=shard,
            name=f"{shard:06d}.tar",
            samples=10,
            attempted=11,
            rejected={"iou": 1},
            size_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
        )
        self.store.put(keys.shard_tar(dataset_id, shard), body)
        self.catalog.put_shard_record(dataset_id, record)
        self.live.add_shard(dataset_id, record)

    def complete(self, dataset_id: str) -> None:
        record = self.catalog.request(dataset_id)
        counts = Counts(requested=20, accepted=20, attempted=22, shards_done=2, shards_total=2)
        now = utcnow()
        head = ManifestHead(
            id=dataset_id,
            state=DatasetState.COMPLETED,
            counts=counts,
            error=None,
            timestamps={DatasetState.QUEUED: record.created_at, DatasetState.COMPLETED: now},
        )
        self.catalog.finish(record, head, self.catalog.shard_records(dataset_id))
        self.live.set_state(dataset_id, DatasetState.COMPLETED, now, counts=counts)


@pytest.fixture
def served(valkey_url: str, s3: Any, s3_store: S3Store, tmp_path: Path) -> Iterator[Served]:
    bundle = Bundle(name="humans", files={}, thresholds={"mad": 0.03}, resolution=64)
    (tmp_path / "bundle.json").write_bytes(bundle.to_bytes())
    Registry(s3_store).publish(tmp_path)
    settings = Settings(
        redis_url=valkey_url,
        s3_endpoint=s3.url,
        s3_bucket=s3_store._bucket,
        s3_access_key=s3.access_key,
        s3_secret_key=s3.secret_key,
        api_key=KEY,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(settings), log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    client = connect(valkey_url)
    try:
        yield Served(
            url=f"http://127.0.0.1:{listener.getsockname()[1]}",
            store=s3_store,
            live=RedisLiveView(client),
            catalog=Catalog(s3_store),
        )
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        client.close()


@pytest.fixture
def client(served: Served) -> Iterator[MatteForge]:
    with MatteForge(served.url, KEY) as made:
        yield made


def test_an_order_goes_from_the_client_to_disk(served, client, tmp_path, valkey_url):
    dataset = client.order(20, shard_size=10, seed=5)
    assert dataset.state is DatasetState.QUEUED
    messages = connect(valkey_url)
    assert messages.llen(QUEUE_CONTROL) == 1, "the bell was rung"
    messages.close()
    bodies = [bytes([shard]) * 300_000 for shard in range(2)]

    def work() -> None:
        for shard, body in enumerate(bodies):
            served.commit(dataset.id, shard, body)
            time.sleep(0.2)
        served.complete(dataset.id)

    stream = client.events(dataset.id)
    kinds = [next(stream)["kind"]]
    worker = threading.Thread(target=work)
    worker.start()
    kinds += [event["kind"] for event in stream]
    worker.join()
    assert kinds == ["snapshot", "shard", "shard", "state"]
    assert client.wait(dataset.id).state is DatasetState.COMPLETED
    assert [out.id for out in client.list(state="completed")] == [dataset.id]
    paths = client.download(dataset.id, tmp_path / "out")
    assert [path.read_bytes() for path in paths] == bodies
    redirected = httpx.get(
        f"{served.url}/v1/datasets/{dataset.id}/shards/000001.tar",
        headers={"Authorization": f"Bearer {KEY}", "Range": "bytes=0-9"},
        follow_redirects=True,
    )
    assert redirected.status_code == 206
    assert redirected.content == bodies[1][:10]


def test_nothing_is_lost_with_redis(served, client, valkey_url):
    dataset = client.order(20, shard_size=10)
    served.commit(dataset.id, 0, b"x")
    client.cancel(dataset.id)
    redis = connect(valkey_url)
    redis.flushall()
    redis.close()
    again = client.get(dataset.id)
    assert again.counts.accepted == 10
    assert again.cancel_requested
    assert again.spec == dataset.spec
    assert served.live.undone(dataset.id, start=0, limit=9) == [1]
    client.delete(dataset.id)
    with pytest.raises(MatteForgeRequestError, match="there is no dataset"):
        client.get(dataset.id)


def test_ten_megabytes_are_refused_over_a_socket(served):
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    for content in (b"[" * (10 << 20), iter([b"[" * (1 << 20)] * 10)):
        answer = httpx.post(f"{served.url}/v1/datasets", content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.json()["code"] == "body_too_large"


def test_a_reader_who_leaves_ends_the_stream(served, client, monkeypatch):
    monkeypatch.setattr(events, "POLL_S", 0.05)
    polls: list[float] = []
    following = events._next

    def counted(*args):
        polls.append(time.monotonic())
        return following(*args)

    monkeypatch.setattr(events, "_next", counted)
    dataset = client.order(20)
    stream = client.events(dataset.id)
    assert next(stream)["kind"] == "snapshot"
    stream.close()
    deadline_s, seen = time.monotonic() + 30, -1
    while seen != len(polls):  # until ten periods bring no poll
        assert time.monotonic() < deadline_s, "still polling"
        seen = len(polls)
        time.sleep(0.5)


def test_many_streams_leave_room_for_requests(served, client):
    dataset = client.order(20)
    streams = [client.events(dataset.id) for _ in range(30)]
    for stream in streams:
        assert next(stream)["kind"] == "snapshot"
    assert client.get(dataset.id).id == dataset.id
    for stream in streams:
        stream.close()


def test_a_url_of_a_shard_ends_with_its_dataset_and_with_its_time(served, client):
    dataset = client.order(20, shard_size=10, seed=5)
    served.commit(dataset.id, 0, b"tar")
    (shard,) = client.shards(dataset.id)
    url = client.shard_url(dataset.id, "000000.tar")
    key = keys.shard_tar(dataset.id, 0)
    short = served.store.presign_get(key, expires_s=1)
    assert "X-Amz-Expires=86400" in shard.url  # presign_expires_s of the settings
    assert {httpx.get(one).status_code for one in (shard.url, url)} == {200}
    time.sleep(2.1)
    assert httpx.get(short).status_code == 403
    client.delete(dataset.id)
    served.catalog.purge(dataset.id)  # what the control worker does when the bell rings
    assert {httpx.get(one).status_code for one in (shard.url, url)} == {404}
    with pytest.raises(MatteForgeRequestError, match="there is no dataset"):
        client.shard_url(dataset.id, "000000.tar")
