"""Faults, drawn from a seed, over datasets that are being made: `make chaos SEED=1 FAULTS=200`.

First each order is made in peace. Then they are ordered again and again while faults come one after
the other, two at a time at most. In the end each dataset has the bytes of the calm one, or failed
with a reason that is true, and nothing is left of what processes had begun. Prints a table of
faults, how long it took until the next shard came, and what became of the datasets under way.
"""

import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import click
import httpx
from chaos_faults import FAULTS, MISSED, World
from chaos_orders import Ended, Orders, drawn_orders
from chaos_remains import remains
from impatient import IMPATIENT
from proxies import Proxies

from deploy.local.ports import free_ports
from deploy.local.program import Program
from deploy.local.stack import Stack

HERE = Path(__file__).parent
AFTERWARDS_S = 300
LOGS = Path(tempfile.gettempdir(), "chaos-logs")  # of a run that went wrong


class ChaosStack(Stack):
    """With two generate workers, and a render worker whose renderer can die."""

    def __init__(self, folder: Path, bundle: Path, env: dict[str, str]) -> None:
        super().__init__(folder / "data", bundles=(bundle,), generate_workers=2, env=env)
        self._death = folder / "renderer-dies"

    def programs(self) -> list[Program]:
        driver = (sys.executable, str(HERE / "render_driver.py"), str(self._death))
        render = Program(name="render", argv=driver, env=self.settings(), nice=10)
        return [render, *(one for one in super().programs() if one.name != "render")]


@contextmanager
def world_of(folder: Path, bundle: Path, seed: int) -> Iterator[tuple[World, Orders]]:
    """A stack behind proxies, started; stopped in the end."""
    s3_port, redis_port = free_ports(2)
    env = IMPATIENT | {
        "MATTEFORGE_RENDERED": "1",
        "MATTEFORGE_DEVICE": "cpu",
        "CHAOS_CLOCK": str(folder / "clock"),
        "PYTHONPATH": f"{HERE / 'steppable_clock'}:{HERE.parents[1]}",
        "MATTEFORGE_S3_ENDPOINT": f"http://127.0.0.1:{s3_port}",
    }
    with ExitStack() as opened:
        stack = ChaosStack(folder, bundle, env)
        behind = stack.valkey.port
        through = stack.valkey.url.replace(f":{behind}/", f":{redis_port}/")
        stack._extra_env["MATTEFORGE_REDIS_URL"] = through
        proxies = Proxies(
            seed, s3=(s3_port, stack.seaweedfs.ports["s3"]), redis=(redis_port, behind)
        )
        opened.callback(proxies.close)
        opened.enter_context(stack)
        store = stack.open_store()
        opened.callback(store.close)
        headers = {"Authorization": f"Bearer {stack.api_key}"}
        http = httpx.Client(base_url=stack.url, headers=headers, timeout=12)
        orders = Orders(opened.enter_context(http), store)
        world = World(
            stack=stack, proxies=proxies, store=store, draw=random.Random(seed), folder=folder,
            running=orders.running,
        )  # fmt: skip
        yield world, orders


@dataclass
class Told:
    """What is known of one kind of fault."""

    seconds: list[float] = field(default_factory=list)  # until the next shard
    missed: int = 0
    datasets: set[str] = field(default_factory=set)


class Chaos:
    """One run."""

    def __init__(self, world: World, orders: Orders) -> None:
        self._world = world
        self._orders = orders
        self.told: dict[str, Told] = defaultdict(Told)

    def strike(self, name: str) -> None:
        told = self.told[name]
        try:
            FAULTS[name](self._world)
        except MISSED as error:
            told.missed += 1
            print(f"{name}: {error!r}", flush=True)
        told.datasets.update(self._orders.running())
        told.seconds.append(self._orders.next_shard_s(AFTERWARDS_S))

    def run(self, names: list[str]) -> None:
        """Two lanes, so that a fault may come while another one lasts."""
        with ThreadPoolExecutor(2) as lanes:
            for done in [lanes.submit(self.strike, name) for name in names]:
                done.result()

    def table(self, ended: dict[str, Ended]) -> str:
        lines = ["| fault | times | next shard after, median / most | datasets under way |"]
        lines.append("|---|---|---|---|")
        for name in FAULTS:
            if told := self.told.get(name):
                became = Counter(ended[known].outcome for known in told.datasets)
                what = ", ".join(
                    f"{number} {outcome}" for outcome, number in sorted(became.items())
                )
                took = f"{median(told.seconds):.1f} s / {max(told.seconds):.1f} s"
                lines.append(f"| {name} | {len(told.seconds)} | {took} | {what} |")
        return "\n".join(lines)


def drawn_faults(seed: int, number: int) -> list[str]:
    """Every kind before any comes again."""
    draw, names = random.Random(seed), list[str]()
    while len(names) < number:
        names += draw.sample(list(FAULTS), len(FAULTS))
    return names[:number]


@click.command()
@click.option("--seed", default=1)
@click.option("--faults", default=200)
@click.option("--datasets", default=20)
@click.option("--bundle", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), help="What was found, as JSON.")
def main(seed: int, faults: int, datasets: int, bundle: Path, out: Path | None) -> None:
    """Exits with 1 when a dataset has other bytes, failed for no true reason, or something is
    left."""
    begun_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as name,
        world_of(Path(name), bundle, seed) as (world, orders),
    ):
        calm = orders.make_calmly(drawn_orders(seed, datasets))
        print(f"{datasets} datasets in peace: {time.monotonic() - begun_s:.0f} s", flush=True)
        chaos = Chaos(world, orders)
        with orders.placed_without_end(calm):
            chaos.run(drawn_faults(seed, faults))
        ended = orders.judged(world.spoilt, AFTERWARDS_S)
        wrong = [str(one) for one in ended.values() if not one.right] + orders.surprises
        if wrong:
            shutil.copytree(world.stack.data_dir / "logs", LOGS, dirs_exist_ok=True)
        wrong += remains(world)
    print(chaos.table(ended))
    total = Counter(one.outcome for one in ended.values())
    print(f"\n{faults} faults, seed {seed}, {time.monotonic() - begun_s:.0f} s: {dict(total)}")
    print(f"answers of the API: {dict(sorted(orders.answers.items()))}")
    print("\n".join(wrong) or "nothing wrong, nothing left")
    if out:
        out.write_text(json.dumps({"outcomes": total, "wrong": wrong, "faults": faults}))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
