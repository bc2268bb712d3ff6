"""What a user is promised, seen from outside: determinism, stock readers, fairness, clear
refusals."""

import gc
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest
import webdataset
from datasets import load_dataset

from core.adapters.celery import CeleryDoorbell
from core.adapters.redis import RedisLiveView
from core.adapters.redis_connection import connect
from core.messages import QUEUE_GENERATE
from deploy.local.stack import Stack
from matteforge.client import MatteForge
from matteforge.schemas.datasets import DatasetOut


def finished(client: MatteForge, count: int, **options: object):
    return client.wait(client.order(count, **options).id, poll_s=0.2, timeout_s=120)


def hashes(client: MatteForge, dataset_id: str) -> list[str]:
    return [shard.sha256 for shard in client.shards(dataset_id)]


def test_the_same_order_gives_the_same_bytes_in_two_fresh_data_directories(
    make_stack, stack, client
):
    other = make_stack("other")
    with MatteForge(other.url, other.api_key) as second:
        here = finished(client, 30, seed=11, shard_size=12)
        there = finished(second, 30, seed=11, shard_size=12)
        assert hashes(client, here.id) == hashes(second, there.id)
        reseeded = finished(client, 30, seed=12, shard_size=12)
        assert not set(hashes(client, reseeded.id)) & set(hashes(client, here.id))


@pytest.fixture
def dataset(client: MatteForge) -> DatasetOut:
    return finished(client, 20, seed=5, shard_size=8, alpha_bits=16, image_format="webp")


def test_webdataset_reads_presigned_urls(client, dataset):
    urls = [f"pipe:curl -s -L -f '{shard.url}'" for shard in client.shards(dataset.id)]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("pil"))
    keys = [sample["__key__"] for sample in samples]
    assert len(keys) == len(set(keys)) == 20
    for sample in samples:
        assert sample["image.webp"].size == sample["alpha.png"].size == (32, 32)
        assert sample["json"]["key"] == sample["__key__"]


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_datasets_streams_presigned_urls(client, dataset):
    urls = [shard.url for shard in client.shards(dataset.id)]
    rows = list(
        load_dataset("webdataset", data_files={"train": urls}, split="train", streaming=True)
    )
    assert len({row["__key__"] for row in rows}) == 20
    assert {"image.webp", "alpha.png", "json"} <= set(rows[0])
    assert rows[0]["json"]["dataset_seed"] == 5
    gc.collect()  # here, where its open connections are forgiven, and in no later test


def test_a_redirect_leads_to_the_shard(client, stack, dataset):
    shard = next(iter(client.shards(dataset.id)))
    answer = httpx.get(
        f"{stack.url}/v1/datasets/{dataset.id}/shards/{shard.name}",
        headers={"Authorization": f"Bearer {stack.api_key}"},
    )
    assert answer.status_code == 307
    body = httpx.get(answer.headers["location"], headers={"Range": "bytes=0-99"})
    assert body.status_code == 206
    assert len(body.content) == 100


def test_the_manifest_adds_up(client, dataset):
    manifest = json.loads(client.manifest(dataset.id))
    assert manifest["state"] == "completed"
    assert [shard["name"] for shard in manifest["shards"]] == [
        "000000.tar",
        "000001.tar",
        "000002.tar",
    ]
    assert (
        sum(shard["samples"] for shard in manifest["shards"])
        == manifest["counts"]["accepted"]
        == 20
    )
    assert manifest["counts"]["attempted"] == 20 + sum(manifest["counts"]["rejected"].values())


@contextmanager
def halted_worker(stack: Stack) -> Iterator[None]:
    """The generate worker takes nothing for the length of the block, but for one message that it
    already waited for."""
    parent = psutil.Process(stack.supervisor.pids()["generate-1"])
    processes = [parent, *parent.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def wait_until_rung(stack: Stack, dataset_ids: list[str], messages: int) -> None:
    """Until every dataset has messages and `messages` wait for the generate worker."""
    redis, doorbell = connect(stack.valkey.url), CeleryDoorbell(stack.valkey.url)
    live, deadline_s = RedisLiveView(redis), time.monotonic() + 60
    while not all(map(live.ring_marks, dataset_ids)) or doorbell.depth(QUEUE_GENERATE) < messages:
        assert time.monotonic() < deadline_s, "not all were rung for"
        time.sleep(0.05)
    doorbell.close()
    redis.close()


def test_of_twenty_orders_at_once_the_small_ones_start_at_once(stack, client):
    """One worker, busy while they come in: all small orders start before the large ones, the
    smallest first."""
    with halted_worker(stack):
        large = [client.order(20_000, seed=n, shard_size=50).id for n in range(10)]
        small = [
            client.order(count, seed=1, shard_size=count).id
            for count in (4, 20, 5, 120, 6, 30, 7, 8, 50, 9)
        ]
        wait_until_rung(stack, large + small, 8 * len(large) + len(small) - 1)
    try:
        for dataset_id in small:
            assert client.wait(dataset_id, poll_s=0.2, timeout_s=120).state == "completed"
        small_starts = {id_: client.get(id_).timestamps["running"] for id_ in small}
        large_starts = [client.get(id_).timestamps.get("running") for id_ in large]
        earlier = [at for at in large_starts if at is not None and at < max(small_starts.values())]
        assert len(earlier) <= 1, (
            "only the one whose message the worker had taken before the small ones came"
        )
        started = [
            client.get(id_).spec.count for id_ in sorted(small, key=lambda id_: small_starts[id_])
        ]
        assert [len(str(count - 1)) for count in started] == sorted(
            len(str(count - 1)) for count in started
        )
        assert not any(client.get(dataset_id).state.terminal for dataset_id in large)
    finally:
        for dataset_id in large:
            client.cancel(dataset_id)
    for dataset_id in large:
        cancelled = client.wait(dataset_id, poll_s=0.5, timeout_s=120)
        assert cancelled.state == "cancelled"
        assert len(list(client.shards(dataset_id))) == cancelled.counts.shards_done


def test_a_filter_that_nothing_passes_fails_with_its_name_and_keeps_what_there_is(client):
    failed = finished(client, 8, seed=1, shard_size=8, filter={"coverage_min": 0.999999})
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error.code == "rejection_budget_exhausted"
    assert "coverage_min" in failed.error.detail
    assert failed.counts.attempted == sum(failed.counts.rejected.values()) + failed.counts.accepted
    assert json.loads(client.manifest(failed.id))["state"] == "failed"


def test_flower_is_never_open(stack):
    assert httpx.get(f"{stack.flower_url}/").status_code == 401
    page = httpx.get(f"{stack.flower_url}/workers", auth=stack.flower_login)
    assert page.status_code == 200
    assert "generate-1@" in page.text
