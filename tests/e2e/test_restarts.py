"""A stack that was stopped and started again answers at the same addresses: presigned URLs that
were given out go on working."""

import hashlib
from pathlib import Path

import httpx

from deploy.local.stack import Stack
from matteforge.client import MatteForge


def shards_of(stack: Stack, dataset_id: str) -> dict[str, str]:
    with MatteForge(stack.url, stack.api_key) as client:
        return {shard.url: shard.sha256 for shard in client.shards(dataset_id)}


def fetched(urls: dict[str, str]) -> dict[str, str]:
    """SHA-256 of what is at each URL now."""
    bodies = {url: httpx.get(url).raise_for_status().content for url in urls}
    return {url: hashlib.sha256(body).hexdigest() for url, body in bodies.items()}


def test_urls_outlive_two_restarts(tmp_path: Path, bundle_folder: Path) -> None:
    bundles = (bundle_folder,)
    with Stack(tmp_path / "data", bundles=bundles) as first:
        with MatteForge(first.url, first.api_key) as client:
            dataset = client.wait(client.order(20, shard_size=10).id, timeout_s=60)
        given = shards_of(first, dataset.id)
        assert len(given) == 2
    second = Stack(tmp_path / "data", bundles=bundles).start_stores()
    try:
        assert fetched(given) == given
    finally:
        second.stop()
    with Stack(tmp_path / "data", bundles=bundles) as third:
        assert (third.url, third.api_key) == (first.url, first.api_key)
        later = shards_of(third, dataset.id)
        assert fetched(given) == given
        assert fetched(later) == later
    assert sorted(later.values()) == sorted(given.values())
