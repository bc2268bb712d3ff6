"""Measures the control plane alone: real Valkey, S3, API and workers as processes, a generator that
costs nothing.

Shards a second and processor time a shard by process, with one worker, then more; the API's
latencies under an open loop of requests; Valkey's memory and latencies against the size of a
dataset; a small order behind a huge one. Prints a table for each and writes all of it as JSON.
`taskset -c 1` shows one core; everything it starts ends with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import redis_sizes
from open_loop import open_loop

from core.adapters.redis_connection import connect
from core.bundle import BUNDLE_FILE, Bundle
from deploy.local.program import Program
from deploy.local.stack import Stack
from matteforge.client import MatteForge

HERE = Path(__file__).parent
HUGE = 100_000  # shards
SERVERS = ("valkey", "seaweedfs", "control", "generate", "api")
SMALL_ORDERS = 7


class NullStack(Stack):
    """The one-machine stack with null generators, without train worker and Flower; workers can be
    added."""

    def programs(self) -> list[Program]:
        return [
            self.null_worker(p) for p in super().programs() if p.name not in ("train", "flower")
        ]

    def null_worker(self, program: Program, number: int = 1) -> Program:
        if not program.name.startswith("generate"):
            return program
        name = f"generate-{number}"
        swap = {"workers.app:app": "null_worker:app", f"{program.name}@%h": f"{name}@%h"}
        path = os.pathsep.join((str(HERE), str(HERE.parents[2])))
        argv = tuple(swap.get(argument, argument) for argument in program.argv)
        return replace(program, name=name, argv=argv, env={**program.env, "PYTHONPATH": path})

    def add_worker(self, number: int) -> None:
        worker = next(p for p in super().programs() if p.name.startswith("generate"))
        self.supervisor.add(self.null_worker(worker, number))


def null_bundle(folder: Path) -> Path:
    """A bundle of no files: a worker of a deployment refuses it."""
    folder.mkdir()
    bundle = Bundle(
        name="humans", files={}, thresholds={"mad": 1.0}, resolution=16, card={"null": True}
    )
    (folder / BUNDLE_FILE).write_bytes(bundle.to_bytes())
    return folder


class Meter:
    """Processor seconds by server, and Valkey's own counts of commands and of time in them."""

    def __init__(self, stack: NullStack) -> None:
        self._stack = stack
        self._redis = connect(stack.valkey.url)

    def read(self) -> dict[str, float]:
        seconds = dict.fromkeys(SERVERS, 0.0)
        for name, pid in self._stack.supervisor.pids().items():
            server = name.partition("-")[0]
            if server in seconds:
                root = psutil.Process(pid)
                for process in (root, *root.children(recursive=True)):
                    times = process.cpu_times()
                    seconds[server] += times.user + times.system
        commands = self._redis.info("commandstats").values()
        inside_s = (
            sum(
                c["usec"]
                for n, c in self._redis.info("commandstats").items()
                if n != "cmdstat_info"
            )
            / 1e6
        )
        return {**seconds, "commands": sum(c["calls"] for c in commands), "valkey_inside": inside_s}

    def shards_done(self, dataset_id: str) -> int:
        return int(self._redis.hget(f"mf:ds:{dataset_id}", "shards_done") or 0)


@contextmanager
def order_under_way(client: MatteForge, shards: int, **options: Any) -> Iterator[str]:
    """An order of one-sample shards that is made while the block runs, and cancelled after it."""
    dataset_id = client.order(shards, shard_size=1, **{"seed": 0, **options}).id
    try:
        yield dataset_id
    finally:
        client.cancel(dataset_id)
        client.wait(dataset_id, poll_s=0.2, timeout_s=60)


def throughput(client: MatteForge, meter: Meter, windows: int, window_s: float) -> dict[str, Any]:
    """Shards a second of a huge order over some windows, and what a shard costs each server."""
    with order_under_way(client, HUGE) as dataset_id:
        deadline_s = time.monotonic() + 60
        while meter.shards_done(dataset_id) < 20 and time.monotonic() < deadline_s:
            time.sleep(0.1)
        before, first, rates = meter.read(), meter.shards_done(dataset_id), []
        for _ in range(windows):
            start, start_s = meter.shards_done(dataset_id), time.monotonic()
            time.sleep(window_s)
            rates.append((meter.shards_done(dataset_id) - start) / (time.monotonic() - start_s))
        shards, after = meter.shards_done(dataset_id) - first, meter.read()
    each = {name: (after[name] - before[name]) / max(shards, 1) for name in before}
    milliseconds = {name: round(1000 * each[name], 3) for name in (*SERVERS, "valkey_inside")}
    return {
        **spread(rates, "shards_per_s"),
        "cpu_ms_per_shard": milliseconds,
        "cpu_ms_per_shard_total": round(sum(milliseconds[name] for name in SERVERS), 2),
        "redis_commands_per_shard": round(each["commands"], 1),
    }


def spread(values: list[float], name: str) -> dict[str, float]:
    return {name: round(statistics.median(values), 2), f"{name}_min": round(min(values), 2),
            f"{name}_max": round(max(values), 2)}  # fmt: skip


def small_orders(client: MatteForge, number: int, shard_us: int = 0) -> list[float]:
    """Seconds from POST to `completed` of orders of one shard that takes `shard_us` to make, one
    after the other."""
    taken = []
    for _ in range(number):
        start_s = time.monotonic()
        client.wait(client.order(1, seed=shard_us, shard_size=1).id, poll_s=0.02, timeout_s=60)
        taken.append(time.monotonic() - start_s)
        time.sleep(0.2)
    return taken


def fairness(client: MatteForge, workers: int) -> dict[str, Any]:
    """One shard on an idle stack, and behind a huge order of shards that take as long: null ones,
    and 10 a second."""
    small_orders(client, 1)  # fills caches
    result: dict[str, Any] = {}
    for name, shard_us in (("null", 0), ("10_per_s", 100_000 * workers)):
        idle = small_orders(client, SMALL_ORDERS, shard_us)
        with order_under_way(client, HUGE, seed=shard_us):
            time.sleep(3)
            behind = small_orders(client, SMALL_ORDERS, shard_us)
        ratio = round(statistics.median(behind) / statistics.median(idle), 2)
        result[name] = {**spread(idle, "idle_s"), **spread(behind, "behind_s"), "ratio": ratio}
    return result


def api_latencies(
    client: MatteForge, stack: NullStack, meter: Meter, workers: int, rounds: int, round_s: float
) -> dict[str, Any]:
    """The mix at 50 requests/s, on a quiet service and while 10 shards/s are made."""
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    result: dict[str, Any] = {}
    known = client.order(30, seed=1, shard_size=1).id
    client.wait(known, poll_s=0.1, timeout_s=60)

    def load() -> dict[str, Any]:
        before = meter.read()["api"]
        figures = asyncio.run(
            open_loop(stack.url, headers, known, rate_per_s=50, duration_s=round_s)
        )
        return {
            **figures,
            "api_cpu_ms_per_request": round(
                1000 * (meter.read()["api"] - before) / figures["requests"], 2
            ),
        }

    load()
    result["quiet"] = load()
    with order_under_way(client, HUGE, seed=100_000 * workers):
        time.sleep(2)
        result["busy"] = [load() for _ in range(rounds)]
    return result


def drain(client: MatteForge) -> None:
    """Wait until no dataset is active: one phase's rest must not be counted in the next."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        if not any(
            next(iter(client.list(state=state)), None)
            for state in ("queued", "running", "finalizing")
        ):
            return
        time.sleep(0.3)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0))
    result: dict[str, Any] = {"cores": cores, "command": " ".join(("python", *sys.argv))}
    began_s = time.monotonic()
    with TemporaryDirectory(prefix="matteforge-bench-") as name:
        folder = Path(name)
        stack = NullStack(folder / "data", bundles=(null_bundle(folder / "null"),))
        with stack, MatteForge(stack.url, stack.api_key) as client:
            meter = Meter(stack)
            result["ready_s"] = round(time.monotonic() - began_s, 1)
            result["throughput"] = {}
            for workers in range(1, options.workers + 1):
                if workers > 1:
                    stack.add_worker(workers)
                    small_orders(client, 2)
                    time.sleep(5)
                row = throughput(client, meter, options.windows, options.window_s)
                result["throughput"][str(workers)] = row
                say(f"{workers} workers", row)
                drain(client)
            result["fairness"] = fairness(client, options.workers)
            say("one shard behind 10^5", result["fairness"])
            drain(client)
            result["api"] = api_latencies(
                client, stack, meter, options.workers, options.rounds, options.round_s
            )
            say("API", result["api"])
            drain(client)
            result["sizes"] = redis_sizes.measure(stack.valkey.url)
            say("sizes", result["sizes"])
    result["total_s"] = round(time.monotonic() - began_s, 1)
    return result


def say(title: str, figures: Any) -> None:
    print(f"{title}: {json.dumps(figures)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--workers",
        type=int,
        default=2,
        help="measured with one, two, ... so many generate workers",
    )
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--window-s", type=float, default=4)
    parser.add_argument(
        "--rounds", type=int, default=3, help="of the open loop while shards are made"
    )
    parser.add_argument("--round-s", type=float, default=15)
    parser.add_argument("--out", type=Path, help="write the JSON here")
    options = parser.parse_args()
    result = measure(options)
    text = json.dumps(result, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
