"""`matteforge gc` as its operator runs it, on a real bucket and a real Valkey: what nobody needs
goes, and not a byte of anything else."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from core import keys
from core.adapters.s3 import S3Store
from core.datasets.catalog import Catalog
from core.datasets.dataset import utcnow
from core.datasets.manifest import ManifestHead, ShardRecord
from core.registry import Registry
from core.retention import set_expiry
from core.settings import Settings
from matteforge.schemas.datasets import Counts, DatasetState
from matteforge.schemas.expiry import ExpiryIn
from service.app import create_app


def gc(env: dict[str, str], *options: str) -> tuple[dict[str, str], str]:
    """What is said of each key, and the last line."""
    command = Path(sys.executable).with_name("matteforge")
    done = subprocess.run(
        [command, "gc", *options], env={**os.environ, **env}, capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    *lines, total = done.stdout.splitlines()
    return {line[9:].split("  ")[0]: line[:9].strip() for line in lines}, total


def objects(store: S3Store) -> dict[str, bytes]:
    """Everything in the bucket but the audit trail, which grows, and gc's own memory."""
    return {
        key: store.get(key)[0]
        for key in store.list_keys("")
        if not key.startswith((keys.AUDIT, keys.GC_SEEN))
    }


def completed(http: TestClient, store: S3Store, seed: int) -> str:
    """A dataset of one shard, ended as workers end it."""
    made = http.post("/v1/datasets", json={"count": 5, "seed": seed}).json()["id"]
    catalog, now, tar = Catalog(store), utcnow(), bytes([seed]) * 1024
    shard = ShardRecord(
        shard=0, name="000000.tar", samples=5, attempted=5, rejected={}, size_bytes=len(tar),
        sha256="0" * 64,
    )  # fmt: skip
    store.put(keys.shard_tar(made, 0), tar)
    catalog.put_shard_record(made, shard)
    counts = Counts(requested=5, accepted=5, attempted=5, shards_done=1, shards_total=1)
    times = {DatasetState.QUEUED: now, DatasetState.COMPLETED: now}
    head = ManifestHead(
        id=made, state=DatasetState.COMPLETED, counts=counts, error=None, timestamps=times
    )
    catalog.finish(catalog.request(made), head, catalog.shard_records(made))
    return made


@pytest.fixture
def http(
    stores_env: dict[str, str], s3_store: S3Store, bundle_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[TestClient]:  # fmt: skip
    """The API on the same stores as the command, with a model."""
    for name, value in stores_env.items():
        monkeypatch.setenv(name, value)
    Registry(s3_store).publish_shipped(bundle_folder)
    headers = {"Authorization": "Bearer mf_test"}
    with TestClient(create_app(Settings(api_key="mf_test")), headers=headers) as client:
        yield client


def plant(store: S3Store, bundle_folder: Path, tmp_path: Path) -> set[str]:
    """What nobody needs, and nobody deleted."""
    shutil.copytree(bundle_folder, tmp_path / "cats")
    described = tmp_path / "cats" / "bundle.json"
    described.write_text(described.read_text().replace('"humans"', '"cats"'))
    digest = Registry(store).publish(tmp_path / "cats").digest.removeprefix("sha256:")
    store.delete(keys.aliases("cats"))  # nothing names it any more
    strays = {"datasets/ds_nobody/shards/000000.tar", keys.corpus_shard("people", "train-x.tar")}
    for key in strays:
        store.put(key, b"a stray")
    return strays | set(store.list_keys(f"{keys.REGISTRY}{digest}/"))


def test_what_nobody_needs_goes_and_nothing_else(
    http: TestClient,
    stores_env: dict[str, str],
    s3_store: S3Store,
    bundle_folder: Path,
    tmp_path: Path,
) -> None:
    _, over, gone = (completed(http, s3_store, seed) for seed in (1, 2, 3))
    needed = {
        key: body for key, body in objects(s3_store).items() if over not in key and gone not in key
    }
    set_expiry(s3_store, over, ExpiryIn(expires_at=utcnow() - timedelta(hours=1)))
    assert http.delete(f"/v1/datasets/{gone}").status_code == 204
    leftovers = {key for key in objects(s3_store) if gone in key}
    leftovers.remove(keys.tombstone(gone, "deleted"))
    strays = plant(s3_store, bundle_folder, tmp_path)
    planted = {keys.dataset(over)} | leftovers | strays

    before = objects(s3_store)
    found, total = gc(stores_env)
    assert found == dict.fromkeys(planted, "unused")
    assert total == f"{len(planted)} unused; nothing is changed without --apply"
    assert objects(s3_store) == before

    found, _ = gc(stores_env, "--apply")
    assert found == dict.fromkeys(planted - strays, "removed") | dict.fromkeys(strays, "waits")
    found, total = gc(stores_env, "--apply", "--grace-hours", "0")
    assert found == dict.fromkeys(strays, "removed")
    assert total == f"{len(strays)} unused; {len(strays)} removed"

    left = objects(s3_store)
    tombstones = {keys.tombstone(one, "deleted") for one in (over, gone)}
    assert set(left) - tombstones == set(needed), "the dataset that is kept, its bundle and model"
    assert {key: left[key] for key in needed} == needed
    assert gc(stores_env) == ({}, "0 unused; nothing is changed without --apply")
