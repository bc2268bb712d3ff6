"""`matteforge fsck` as its operator runs it: ten damages in the bucket of a running stack."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import keys
from core.adapters.s3 import S3Store
from core.registry import Registry
from deploy.local.stack import Stack
from matteforge.client import MatteForge

COUNT, SHARD_SIZE = 25, 5


def fsck(stack: Stack, *options: str) -> tuple[int, dict[str, str], str]:
    """Exit code, problem and what was done by key, and the last line."""
    command = Path(os.sys.executable).with_name("matteforge")
    done = subprocess.run(
        [str(command), "fsck", *options],
        env={**os.environ, **stack.settings()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    *lines, total = done.stdout.splitlines()
    return done.returncode, {line[13:].split("  ")[0]: line for line in lines}, total


def publish_cats(store: S3Store, bundle_folder: Path, tmp_path: Path) -> str:
    """A second bundle; the key of its generator."""
    folder = tmp_path / "cats"
    shutil.copytree(bundle_folder, folder)
    described = folder / "bundle.json"
    described.write_text(described.read_text().replace('"humans"', '"cats"'))
    digest = Registry(store).publish(folder).digest.removeprefix("sha256:")
    return f"{keys.REGISTRY}{digest}/generator.safetensors"


def bytes_of(store: S3Store, dataset_id: str) -> dict[str, bytes]:
    return {key: store.get(key)[0] for key in store.list_keys(keys.dataset(dataset_id))}


@pytest.mark.timeout(300)
def test_ten_damages_are_found_and_mended(
    make_stack: Callable[..., Stack], plant_damages: Any, bundle_folder: Path, tmp_path: Path
) -> None:
    stack = make_stack()
    store, client = stack.open_store(), MatteForge(stack.url, stack.api_key)
    cats = publish_cats(store, bundle_folder, tmp_path)
    done = client.wait(client.order(COUNT, seed=1, shard_size=SHARD_SIZE).id, timeout_s=60).id
    whole = bytes_of(store, done)
    assert fsck(stack)[0] == 0

    under_way = client.order(2000, seed=2, shard_size=SHARD_SIZE).id
    while client.get(under_way).counts.shards_done < 2:
        time.sleep(0.05)
    worker = stack.supervisor.pids()["generate-1"]
    os.killpg(worker, signal.SIGSTOP)
    planted = plant_damages(store, done, keys.shard_tar(under_way, 0)) | {cats: "wrong bytes"}
    store.put(cats, b"other weights")
    code, found, total = fsck(stack)
    assert {key: line[:12].strip() for key, line in found.items()} == planted
    assert (code, total) == (1, "10 objects were not as they should be; 0 repaired, 10 left")
    assert client.get(done).damaged

    code, found, total = fsck(stack, "--repair")
    assert (code, total) == (1, "10 objects were not as they should be; 9 repaired, 1 left")
    assert found[cats].endswith(cats), "weights can't be made again"
    assert bytes_of(store, done) == whole
    assert not client.get(done).damaged

    os.killpg(worker, signal.SIGCONT)
    while store.head(keys.shard_record(under_way, 0)) is None:
        time.sleep(0.1)
    client.cancel(under_way)
    client.wait(under_way, timeout_s=60)
    assert list(fsck(stack)[1]) == [cats]
    client.close()
    store.close()
