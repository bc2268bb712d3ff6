"""From a claim in S3 to tars that stock readers open: real networks, real Valkey, real S3."""

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core import keys
from core.adapters.celery import CeleryDoorbell
from core.adapters.redis import RedisLiveView
from core.adapters.redis_connection import connect
from core.adapters.redis_leases import RedisLeaseBook
from core.adapters.s3 import S3Store
from core.datasets.catalog import Catalog
from core.datasets.dataset import utcnow
from core.datasets.manifest import DatasetRecord
from core.datasets.plan import make_plan
from core.messages import QUEUE_GENERATE
from core.registry import Registry
from core.settings import Settings
from matteforge.schemas.datasets import DatasetState
from matteforge.schemas.orders import DatasetSpec
from workers.context import Context
from workers.control.reconcile import reconcile, recover
from workers.generate.run_shard import run_shard
from workers.lifecycle import SamplerCache
from workers.shards.read import read_shard

ATTEMPTS = 4


@pytest.fixture
def context(
    s3_store: S3Store,
    redis_live: RedisLiveView,
    redis_leases: RedisLeaseBook,
    valkey_url: str,
    tmp_path: Path,
) -> Iterator[Context]:
    doorbell = CeleryDoorbell(valkey_url)
    registry = Registry(s3_store)
    yield Context(
        settings=Settings(),
        catalog=Catalog(s3_store),
        live=redis_live,
        leases=redis_leases,
        doorbell=doorbell,
        sampler=SamplerCache(registry, cache_dir=tmp_path / "cache", device="cpu"),
    )
    doorbell.close()


@pytest.fixture
def order(context: Context, bundle_folder: Path) -> Callable[..., DatasetRecord]:
    registry = Registry(context.catalog.store)
    bundle = registry.publish(bundle_folder)

    def make(dataset_id: str, **spec: Any) -> DatasetRecord:
        parsed = DatasetSpec(**{"count": 10, "shard_size": 4, "seed": 1, **spec})
        plan = make_plan(
            parsed, seed=1, bundle=bundle.digest, thresholds=bundle.thresholds, batch_size=4,
            threads=1, max_attempts_per_sample=ATTEMPTS,
        )  # fmt: skip
        record = DatasetRecord(
            id=dataset_id, owner="o", spec=parsed, plan=plan, created_at=utcnow(),
            body_sha256="0" * 64,
        )  # fmt: skip
        assert context.catalog.claim(record)
        view, _ = context.catalog.view(dataset_id)
        context.live.put(view)
        return record

    return make


def complete(context: Context, dataset_id: str) -> None:
    reconcile(context, 1000.0, dataset_id)
    while shards := context.live.undone(dataset_id, start=0, limit=100):
        for shard in shards:
            run_shard(context, dataset_id, shard)
    reconcile(context, 1000.0, dataset_id)


def download(context: Context, dataset_id: str, folder: Path) -> list[Path]:
    folder.mkdir()
    paths = []
    for record in context.catalog.shard_records(dataset_id):
        body, _ = context.catalog.store.get(keys.shard_tar(dataset_id, record.shard))
        assert hashlib.sha256(body).hexdigest() == record.sha256
        assert len(body) == record.size_bytes
        paths.append(folder / record.name)
        paths[-1].write_bytes(body)
    return paths


def test_an_order_is_delivered(
    context: Context, order: Callable[..., DatasetRecord], tmp_path: Path
) -> None:
    record = order("ds_a")
    complete(context, "ds_a")
    view = context.live.get("ds_a")
    assert view is not None
    assert (view.state, view.counts.accepted, view.counts.shards_done) == (
        DatasetState.COMPLETED,
        10,
        3,
    )
    samples = [s for path in download(context, "ds_a", tmp_path / "out") for s in read_shard(path)]
    assert [s.record.key for s in samples] == [f"{n // 4:06d}{n % 4:05d}" for n in range(10)]
    assert {(s.record.bundle, s.record.width) for s in samples} == {(record.plan.bundle, 32)}
    manifest = json.loads(context.catalog.store.get(keys.manifest("ds_a"))[0])
    assert [shard["samples"] for shard in manifest["shards"]] == [4, 4, 2]
    assert context.doorbell.depth(QUEUE_GENERATE) == 3, "messages without work left: no-ops"


def test_the_same_order_gives_the_same_bytes_and_another_seed_others(
    context: Context, order: Callable[..., DatasetRecord]
) -> None:
    for dataset_id in ("ds_a", "ds_b"):
        order(dataset_id)
        complete(context, dataset_id)
    first, second = ([r.sha256 for r in context.catalog.shard_records(d)] for d in ("ds_a", "ds_b"))
    assert first == second
    assert len(set(first)) == 3


def test_recover_rebuilds_redis_from_s3(
    context: Context, order: Callable[..., DatasetRecord], valkey_url: str
) -> None:
    order("ds_a")
    run_shard(context, "ds_a", 1)
    before = context.live.get("ds_a")
    client = connect(valkey_url)
    client.flushall()
    client.close()
    assert recover(context) == 1
    after = context.live.get("ds_a")
    assert before is not None
    assert after is not None
    assert after.counts == before.counts
    assert context.live.undone("ds_a", start=0, limit=5) == [0, 2]
    complete(context, "ds_a")
    assert context.live.get("ds_a").counts.accepted == 10  # type: ignore[union-attr]


@pytest.mark.parametrize(("image_format", "bits"), [("png", 8), ("webp", 16), ("jpeg", 8)])
def test_stock_webdataset_reads_it_from_presigned_urls(
    context: Context, order: Callable[..., DatasetRecord], image_format: str, bits: int
) -> None:
    import webdataset

    order("ds_a", image_format=image_format, alpha_bits=bits)
    complete(context, "ds_a")
    urls = [
        context.catalog.store.presign_get(keys.shard_tar("ds_a", n), expires_s=60) for n in range(3)
    ]
    suffix = {"png": "image.png", "webp": "image.webp", "jpeg": "image.jpg"}[image_format]
    pipes = [f"pipe:curl -s -L -f '{url}'" for url in urls]
    dataset = (
        webdataset.WebDataset(pipes, shardshuffle=False)
        .decode("pil")
        .to_tuple(suffix, "alpha.png", "json")
    )
    samples = list(dataset)
    assert len(samples) == 10
    assert all(image.size == alpha.size == (32, 32) for image, alpha, _ in samples)
    assert [meta["index"] for _, _, meta in samples[:4]] == [0, 1, 2, 3]


def test_stock_datasets_reads_it(
    context: Context,
    order: Callable[..., DatasetRecord],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    order("ds_a")
    complete(context, "ds_a")
    files = [str(path) for path in download(context, "ds_a", tmp_path / "out")]
    rows = list(
        load_dataset("webdataset", data_files={"train": files}, split="train", streaming=True)
    )
    assert len(rows) == 10
    assert rows[0]["image.png"].size == (32, 32)
    assert rows[0]["alpha.png"].mode == "L"
    assert rows[9]["json"]["key"] == "00000200001"


def test_large_tars_keep_their_record_in_the_metadata(
    context: Context, order: Callable[..., DatasetRecord], tmp_path: Path
) -> None:
    order("ds_a", count=60, shard_size=60)
    run_shard(context, "ds_a", 0)
    info = context.catalog.store.head(keys.shard_tar("ds_a", 0))
    assert info is not None
    assert json.loads(info.metadata["record"])["samples"] == 60
    context.catalog.store.delete(keys.shard_record("ds_a", 0))
    run_shard(context, "ds_a", 0)
    assert context.catalog.shard_record("ds_a", 0) is not None, "adopted from the tar's metadata"
    (path,) = download(context, "ds_a", tmp_path / "out")
    with tarfile.open(path) as tar:
        assert len(tar.getnames()) == 180


def test_an_unpublished_bundle_fails_the_dataset(
    context: Context, order: Callable[..., DatasetRecord]
) -> None:
    digest = order("ds_a").plan.bundle
    for key in list(context.catalog.store.list_keys(keys.REGISTRY)):
        context.catalog.store.delete(key)
    run_shard(context, "ds_a", 0)
    failure = context.catalog.failure("ds_a")
    assert failure is not None
    assert failure.code == "checkpoint_rejected"
    assert digest in failure.detail
