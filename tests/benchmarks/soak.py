"""Many patient clients for a long time: 500 that poll and 50 that follow events, on one stack.

    python tests/benchmarks/soak.py --minutes 15 --out soak.json

Prints a line a minute: memory of the API and of the stores, requests, errors, latencies. Exits
with 1 when anything failed, or the API's memory grew by more than a tenth after its first third.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import click
import httpx
import psutil

from deploy.local.stack import Stack
from matteforge.client import MatteForge

COUNT = 100_000  # samples of the dataset that all look at: it outlasts the run
WATCHED = ("api", "valkey", "seaweedfs", "control")
GROWTH = 1.1


@dataclass
class Seen:
    """What the clients met."""

    requests: int = 0
    events: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    waits_s: list[float] = field(default_factory=list)
    minutes: list[dict[str, Any]] = field(default_factory=list)


async def poll(http: httpx.AsyncClient, path: str, every_s: float, seen: Seen) -> None:
    await asyncio.sleep(random.uniform(0, every_s))
    while True:
        begun_s = time.monotonic()
        try:
            answer = await http.get(path)
            if answer.status_code != 200:
                seen.errors[str(answer.status_code)] += 1
        except httpx.HTTPError as error:
            seen.errors[type(error).__name__] += 1
        seen.requests += 1
        seen.waits_s.append(time.monotonic() - begun_s)
        await asyncio.sleep(every_s)


async def follow(http: httpx.AsyncClient, path: str, seen: Seen) -> None:
    while True:
        try:
            async with http.stream("GET", path, timeout=60) as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("event: "):
                        seen.events[line.removeprefix("event: ")] += 1
            seen.errors["a stream ended"] += 1
        except httpx.HTTPError as error:
            seen.errors[f"stream: {type(error).__name__}"] += 1
        await asyncio.sleep(1)


def measured(stack: Stack, seen: Seen) -> dict[str, Any]:
    """What happened since the last minute, and what memory is resident now."""
    assert stack.supervisor is not None
    pids = stack.supervisor.pids()
    resident = {name: round(psutil.Process(pids[name]).memory_info().rss / 1e6) for name in WATCHED}
    waits_s, seen.waits_s = seen.waits_s, []
    slow_s = quantiles(waits_s, n=100)[98] if len(waits_s) > 1 else 0.0
    return {
        "resident_mb": resident,
        "requests": len(waits_s),
        "median_ms": round(1000 * median(waits_s or [0])),
        "p99_ms": round(1000 * slow_s),
        "events": sum(seen.events.values()),
        "errors": dict(seen.errors),
    }


async def soak(
    stack: Stack, path: str, clients: int, streams: int, minutes: int, every_s: float
) -> Seen:
    """Poll and follow for so long."""
    seen = Seen()
    limits = httpx.Limits(max_connections=clients + streams, max_keepalive_connections=clients)
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    async with httpx.AsyncClient(
        base_url=stack.url, headers=headers, limits=limits, timeout=30
    ) as http:
        work = [poll(http, path, every_s, seen) for _ in range(clients)]
        work += [follow(http, f"{path}/events", seen) for _ in range(streams)]
        tasks = [asyncio.create_task(one) for one in work]
        for minute in range(minutes):
            await asyncio.sleep(60)
            seen.minutes.append(found := measured(stack, seen))
            print(f"minute {minute + 1}: {found}", flush=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return seen


@click.command()
@click.option("--clients", default=500, show_default=True)
@click.option("--streams", default=50, show_default=True)
@click.option("--minutes", default=15, show_default=True)
@click.option("--every", "every_s", default=5.0, show_default=True, help="Seconds between polls.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures as JSON.")
def main(clients: int, streams: int, minutes: int, every_s: float, out: Path | None) -> None:
    """Soak a stack of its own."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, Stack(Path(folder)) as stack:
        with MatteForge(stack.url, stack.api_key) as client:
            path = client.order(COUNT, seed=1, shard_size=20).links["self"]
        seen = asyncio.run(soak(stack, path, clients, streams, minutes, every_s))
    api_mb = [minute["resident_mb"]["api"] for minute in seen.minutes]
    third = max(1, len(api_mb) // 3)
    grown = median(api_mb[-third:]) / median(api_mb[third : 2 * third] or api_mb)
    total = f"{seen.requests} requests, {sum(seen.events.values())} events"
    print(f"{total}, errors {dict(seen.errors)}; the API's memory x {grown:.2f} after a third")
    if out:
        out.write_text(json.dumps(seen.minutes, indent=1))
    sys.exit(bool(seen.errors) or grown > GROWTH)


if __name__ == "__main__":
    main()
