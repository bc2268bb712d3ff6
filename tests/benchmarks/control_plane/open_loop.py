"""An open loop of API requests: each is sent at its time, whether those before it were answered or
not."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

# Of 25 requests: 13 look at a dataset, 5 list datasets, 5 list shards, 2 order one sample.
MIX = ("get", "list", "get", "shards", "get") * 5
ORDERS_AT = (4, 16)


async def open_loop(
    url: str, headers: dict[str, str], dataset_id: str, *, rate_per_s: float, duration_s: float
) -> dict[str, Any]:
    """Latencies in ms, counted from the time at which a request was due; `late` is the generator's
    own delay."""
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=10, limits=limits
    ) as client:
        start_s = time.monotonic() + 0.1
        requests = [
            _at(client, start_s + n / rate_per_s, _kind(n), dataset_id)
            for n in range(int(rate_per_s * duration_s))
        ]
        answers = await asyncio.gather(*requests)
    by_kind = {
        kind: [ms for k, ms, _, _ in answers if k == kind]
        for kind in ("get", "list", "shards", "order")
    }
    figures = _percentiles([ms for _, ms, _, _ in answers])
    return {
        **figures,
        "generator_late_p99_ms": _percentiles([late for _, _, late, _ in answers])["p99_ms"],
        "requests": len(answers),
        "errors": sum(status >= 400 for *_, status in answers),
        "by_kind": {kind: _percentiles(values) for kind, values in by_kind.items()},
    }


def _kind(n: int) -> str:
    return "order" if n % len(MIX) in ORDERS_AT else MIX[n % len(MIX)]


async def _at(
    client: httpx.AsyncClient, due_s: float, kind: str, dataset_id: str
) -> tuple[str, float, float, int]:
    await asyncio.sleep(due_s - time.monotonic())
    late_ms = 1000 * (time.monotonic() - due_s)
    try:
        status = (await _send(client, kind, dataset_id)).status_code
    except httpx.TransportError:
        status = 599  # no answer in time: an error that took as long as was waited
    return kind, 1000 * (time.monotonic() - due_s), late_ms, status


async def _send(client: httpx.AsyncClient, kind: str, dataset_id: str) -> httpx.Response:
    match kind:
        case "get":
            return await client.get(f"/v1/datasets/{dataset_id}")
        case "list":
            return await client.get("/v1/datasets", params={"limit": 20})
        case "shards":
            return await client.get(f"/v1/datasets/{dataset_id}/shards", params={"limit": 20})
        case _:
            return await client.post("/v1/datasets", json={"count": 1, "shard_size": 1, "seed": 0})


def _percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        f"p{percent}_ms": round(ordered[min(len(ordered) * percent // 100, len(ordered) - 1)], 2)
        for percent in (50, 99)
    }
