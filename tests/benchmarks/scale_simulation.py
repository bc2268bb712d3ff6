"""Simulates 10 to 10,000 GPU workers that make 10^9 samples: what saturates first, and what a
change moves.

A discrete-event model (simpy) of a shard's way: message, lease, making, tar and record into S3,
counters, reconciler. Service times come from control_plane/measured.json; what was never measured
(a GPU's speed, S3's limit a prefix, how often a machine dies) is an option with its default named.
A run simulates a stretch and extrapolates to the whole.
"""

import argparse
import json
import random
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import simpy

HERE = Path(__file__).parent
MEASURED = HERE / "control_plane/measured.json"
S3_REQUESTS = 6  # a shard, as workers/shards/commit.py and the catalog ask
RECORD_BYTES = 350  # of a shard in the manifest


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """A deployment. Times in seconds."""

    workers: int
    make_s: float  # a shard, on its GPU
    broker_s: float  # of Valkey's one thread, a shard
    control_s: float  # of a control worker, a shard
    s3_requests_per_s: float  # that one prefix takes
    mtbf_s: float  # of a worker
    lease_s: float = 30.0
    reconcile_s: float = 5.0
    restart_s: float = 60.0  # of a worker that died
    brokers: int = 1
    controls: int = 1
    prefixes: int = 1
    window: int = 0  # messages a dataset may have out; 0: twice the workers

    @property
    def messages(self) -> int:
        return self.window or 2 * self.workers


class Model:
    """Shards in flight through a fleet."""

    def __init__(self, fleet: Fleet, *, shards: int, seed: int) -> None:
        self.fleet, self.wanted, self.random = fleet, shards, random.Random(seed)
        self.env = simpy.Environment()
        self.broker = simpy.Resource(self.env, fleet.brokers)
        self.control = simpy.Resource(self.env, fleet.controls)
        self.store = simpy.Resource(self.env, fleet.prefixes)
        self.queue: simpy.Store[float] = simpy.Store(self.env)
        self.busy_s = dict.fromkeys(("broker", "control", "S3"), 0.0)
        self.done_at: list[float] = []
        self.waited: list[float] = []
        self.lost, self.made_s = 0, 0.0
        self.finished = self.env.event()

    def run(self) -> dict[str, Any]:
        for _ in range(self.fleet.messages):
            self.queue.put(0.0)
        for _ in range(self.fleet.workers):
            self.env.process(self._worker())
        self.env.run(self.finished)
        return self._figures()

    def _use(self, name: str, resource: simpy.Resource, seconds: float) -> Any:
        with resource.request() as turn:
            yield turn
            yield self.env.timeout(seconds)
            self.busy_s[name] += seconds

    def _worker(self) -> Any:
        fleet = self.fleet
        yield self.env.timeout(self.random.uniform(0, fleet.make_s))  # they don't start as one
        while True:
            asked = self.env.now
            yield self.queue.get()
            self.waited.append(self.env.now - asked)
            yield from self._use("broker", self.broker, fleet.broker_s / 2)
            makes = fleet.make_s * self.random.uniform(0.9, 1.1)
            dies = self.random.expovariate(1 / fleet.mtbf_s)
            if dies < makes:
                yield self.env.timeout(dies)
                self.lost += 1
                self.env.process(self._ring_again())
                yield self.env.timeout(fleet.restart_s)
                continue
            yield self.env.timeout(makes)
            self.made_s += makes
            self.env.process(self._commit())

    def _ring_again(self) -> Any:
        """The lease lapses, the next pass of the reconciler sees it."""
        yield self.env.timeout(self.fleet.lease_s + self.random.uniform(0, self.fleet.reconcile_s))
        yield from self._use("control", self.control, self.fleet.control_s)
        self.queue.put(self.env.now)

    def _commit(self) -> Any:
        """Behind the worker's next shard; the reconciler then lets another message out."""
        fleet = self.fleet
        yield from self._use("S3", self.store, S3_REQUESTS / fleet.s3_requests_per_s)
        yield from self._use("broker", self.broker, fleet.broker_s / 2)
        self.done_at.append(self.env.now)
        if len(self.done_at) == self.wanted:
            self.finished.succeed()
        yield from self._use("control", self.control, fleet.control_s)
        self.queue.put(self.env.now)

    def _figures(self) -> dict[str, Any]:
        third = len(self.done_at) // 3  # the first third fills the pipeline
        rate = (len(self.done_at) - third) / (self.done_at[-1] - self.done_at[third - 1])
        elapsed, fleet = self.env.now, self.fleet
        units = {"broker": fleet.brokers, "control": fleet.controls, "S3": fleet.prefixes}
        return {
            "shards_per_s": rate,
            "gpu_busy": self.made_s / (elapsed * fleet.workers),
            "use": {name: self.busy_s[name] / (elapsed * n) for name, n in units.items()},
            "lost_shards": self.lost,
            "wait_p99_s": sorted(self.waited)[len(self.waited) * 99 // 100],
        }


def calibrated(measured: dict[str, Any], **options: Any) -> Fleet:
    """Service times a shard of the measured stack, two workers: Valkey's time inside commands,
    control's processor."""
    row = max(measured["throughput"].items(), key=lambda item: int(item[0]))[1]["cpu_ms_per_shard"]
    return Fleet(broker_s=row["valkey_inside"] / 1000, control_s=row["control"] / 1000, **options)


def check_small_end(measured: dict[str, Any]) -> list[dict[str, Any]]:
    """Real runs: one worker's rate sets the time of a shard, the others' rates are predicted."""
    real = {int(n): row["shards_per_s"] for n, row in measured["throughput"].items()}
    rows = []
    for workers, rate in sorted(real.items()):
        fleet = calibrated(
            measured,
            workers=workers,
            make_s=1 / real[1],
            s3_requests_per_s=1e9,
            mtbf_s=1e9,
            window=8,
        )
        predicted = Model(fleet, shards=600, seed=0).run()["shards_per_s"]
        rows.append(
            {
                "workers": workers,
                "measured": rate,
                "simulated": round(predicted, 2),
                "off": round(predicted / rate - 1, 3),
            }
        )
    return rows


def changes(fleet: Fleet) -> dict[str, Fleet]:
    """Each one on top of those before."""
    as_is = replace(fleet, window=8)
    window = replace(as_is, window=0)
    controls = replace(window, controls=8)
    prefixes = replace(controls, prefixes=8)
    return {
        "as it is, window 8": as_is,
        "window of twice the workers": window,
        "8 control workers": controls,
        "8 prefixes": prefixes,
        "4 brokers": replace(prefixes, brokers=4),
    }


def simulate(options: argparse.Namespace) -> dict[str, Any]:
    measured = json.loads(MEASURED.read_text())
    shards_total = options.samples // options.shard_size
    rows = []
    for workers in options.workers:
        fleet = calibrated(
            measured, workers=workers, make_s=options.shard_size / options.samples_per_s,
            s3_requests_per_s=options.s3_requests_per_s, mtbf_s=options.mtbf_h * 3600,
        )  # fmt: skip
        for name, changed in changes(fleet).items():
            figures = Model(changed, shards=min(max(1000, 6 * workers), 30_000), seed=1).run()
            busiest = max(figures["use"].items(), key=lambda item: item[1])
            rows.append(
                {"workers": workers, "change": name, **figures, "busiest": busiest[0],
                 "days": shards_total / figures["shards_per_s"] / 86400}
            )  # fmt: skip
    return {
        "assumed": {
            "samples": options.samples,
            "shard_size": options.shard_size,
            "samples_per_s_a_gpu": options.samples_per_s,
            "s3_requests_per_s_a_prefix": options.s3_requests_per_s,
            "mtbf_h": options.mtbf_h,
            "manifest_MB": round(shards_total * RECORD_BYTES / 1e6),
        },
        "calibrated": {k: v for k, v in asdict(fleet).items() if k in ("broker_s", "control_s")},
        "small_end": check_small_end(measured),
        "rows": rows,
    }


def table(result: dict[str, Any]) -> str:
    lines = ["| workers, one core | shards/s measured | simulated | off |", "|---|---|---|---|"]
    lines += [
        f"| {r['workers']} | {r['measured']} | {r['simulated']} | {100 * r['off']:+.0f} % |"
        for r in result["small_end"]
    ]
    lines += [
        "",
        "| GPU workers | deployment | shards/s | GPUs busy | broker | control | S3 | days |",
        "|" + "---|" * 8,
    ]
    for r in result["rows"]:
        use = " | ".join(f"{100 * r['use'][name]:.0f} %" for name in ("broker", "control", "S3"))
        lines.append(
            f"| {r['workers']:,} | {r['change']} | {r['shards_per_s']:.1f} | "
            f"{100 * r['gpu_busy']:.0f} % | {use} "
            f"| {r['days']:.2g} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 100, 1000, 3000, 10_000])
    parser.add_argument("--samples", type=int, default=10**9)
    parser.add_argument("--shard-size", type=int, default=1000)
    parser.add_argument(
        "--samples-per-s", type=float, default=100, help="accepted, of one GPU: assumed"
    )
    parser.add_argument(
        "--s3-requests-per-s", type=float, default=3500, help="a prefix: what AWS documents for PUT"
    )
    parser.add_argument(
        "--mtbf-h", type=float, default=24, help="of a worker: assumed, as of spot machines"
    )
    parser.add_argument("--out", type=Path, default=HERE / "scale_simulation.json")
    options = parser.parse_args()
    result = simulate(options)
    print(table(result))
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
