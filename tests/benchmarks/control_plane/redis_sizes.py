"""What a dataset costs Valkey, against its number of shards: bytes by key, and time of each
operation of the live view.

Works in a logical database of its own, which the running service does not see.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from core.adapters.redis import RedisLiveView
from core.adapters.redis_connection import connect
from core.datasets.dataset import DatasetView, utcnow
from core.datasets.manifest import ShardRecord
from matteforge.schemas.datasets import Counts, DatasetState
from matteforge.schemas.orders import DatasetSpec

SIZES = (1_000, 10_000, 100_000)
REPEATS = 200
WINDOW = 8


def measure(url: str) -> dict[str, Any]:
    """By number of shards: bytes by key, and the median ms of each operation; the sizes take
    turns."""
    redis = connect(url.rsplit("/", 1)[0] + "/9")
    redis.flushdb()
    live = RedisLiveView(redis)
    for shards in SIZES:
        live.put(_view(shards), done=range(shards // 2))
    times: dict[int, dict[str, list[float]]] = {shards: {} for shards in SIZES}
    for turn in range(REPEATS):
        for shards in SIZES:
            for name, operation in _operations(live, shards, turn).items():
                start_s = time.perf_counter()
                operation()
                times[shards].setdefault(name, []).append(1000 * (time.perf_counter() - start_s))
    result = {}
    for shards in SIZES:
        keys = [f"mf:ds:{_id(shards)}{suffix}" for suffix in ("", ":done", ":rings", ":events")]
        result[str(shards)] = {
            "bytes": {
                key.rpartition(":")[2] if key.count(":") > 2 else "hash": redis.memory_usage(key)
                or 0
                for key in keys
            },
            "median_ms": {
                name: round(statistics.median(values), 3) for name, values in times[shards].items()
            },
        }
    redis.flushdb()
    redis.close()
    return result


def _operations(live: RedisLiveView, shards: int, turn: int) -> dict[str, Callable[[], object]]:
    dataset_id, shard = _id(shards), shards // 2 + turn
    record = ShardRecord(
        shard=shard,
        name=f"{shard:06d}.tar",
        samples=1000,
        attempted=1100,
        rejected={"mad": 60, "iou": 40},
        size_bytes=500_000_000,
        sha256="0" * 64,
    )
    return {
        "get": lambda: live.get(dataset_id),
        "undone": lambda: live.undone(dataset_id, start=0, limit=WINDOW),
        "ring_mark": lambda: live.ring_mark(dataset_id, shard, 0.0),
        "ring_marks": lambda: live.ring_marks(dataset_id),
        "clear_ring_mark": lambda: live.clear_ring_mark(dataset_id, shard),
        "add_shard": lambda: live.add_shard(dataset_id, record),
        "events": lambda: live.events(dataset_id, after=None, limit=10),
    }


def _view(shards: int) -> DatasetView:
    counts = Counts(
        requested=shards * 1000, shards_total=shards, accepted=shards * 500, shards_done=shards // 2
    )
    now = utcnow()
    return DatasetView(
        id=_id(shards), state=DatasetState.RUNNING, spec=DatasetSpec(count=shards * 1000, seed=1),
        bundle="sha256:" + "0" * 64, counts=counts,
        timestamps={DatasetState.QUEUED: now, DatasetState.RUNNING: now},
    )  # fmt: skip


def _id(shards: int) -> str:
    return f"ds_{shards:024d}"
