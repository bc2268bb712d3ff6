"""What chaos.py does to a running stack: each fault is a function that returns once it is over."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
from proxies import Mood, Proxies

from core import keys
from core.adapters.redis_connection import connect
from core.adapters.s3 import S3Store
from core.errors import MatteForgeError
from deploy.local.stack import Stack

OURS = ("generate-1", "generate-2", "render", "matte", "train", "control", "beat", "api")
SERVERS = ("valkey", "seaweedfs")
BEYOND_LEASES_S = 6.0  # a stack's leases hold 4 s here
CLOCKS_S = (-3600, -600, 600, 3600)


@dataclass(kw_only=True)
class World:
    """A stack and what can be done to it."""

    stack: Stack
    proxies: Proxies
    store: S3Store  # past the proxy
    draw: random.Random
    folder: Path
    running: Callable[[], list[str]]  # ids of datasets under way
    spoilt: set[str] = field(default_factory=set)  # datasets whose objects were damaged

    @property
    def clock(self) -> Path:
        return self.folder / "clock"

    @property
    def renderers_death(self) -> Path:
        return self.folder / "renderer-dies"

    def pid(self, name: str) -> int:
        """Raises ProcessLookupError while the process is being started again."""
        pids = self.stack.supervisor.pids()
        if name not in pids:
            raise ProcessLookupError(name)
        return pids[name]


Fault = Callable[[World], None]


def kill(world: World, name: str) -> None:
    os.kill(world.pid(name), signal.SIGKILL)


def kill_child(world: World, name: str) -> None:
    """The process of a worker's pool that does the work."""
    children = psutil.Process(world.pid(name)).children()
    if children:
        world.draw.choice(children).kill()


def stop(world: World, name: str) -> None:
    group = world.pid(name)
    os.killpg(group, signal.SIGSTOP)
    try:
        time.sleep(BEYOND_LEASES_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGCONT)


def flush(world: World) -> None:
    client = connect(world.stack.valkey.url)
    client.flushall()
    client.close()


def lose_redis_file(world: World) -> None:
    """Valkey is killed and finds no append-only file when it starts again."""
    kill(world, "valkey")
    shutil.rmtree(world.stack.valkey.folder / "appendonlydir", ignore_errors=True)


def step_clock(world: World, off_s: int) -> None:
    world.clock.write_text(str(off_s))
    time.sleep(world.draw.uniform(3, 6))
    world.clock.write_text("0")


def moody(world: World, fault: str, chance: float) -> None:
    """A proxy misbehaves for some seconds."""
    mood: Mood = world.proxies.s3 if fault.startswith("s3") else world.proxies.redis
    mood.chance, mood.fault = chance, fault
    time.sleep(world.draw.uniform(2, 5))
    mood.fault = ""


def lose_temporary_folder(world: World) -> None:
    """What a full or failing disk is to a worker: it can't write its tar."""
    here = world.stack.data_dir / "tmp"
    away = here.with_name("tmp-away")
    here.rename(away)
    time.sleep(world.draw.uniform(1, 3))
    here.mkdir(mode=0o700, exist_ok=True)
    for left in away.iterdir():
        left.rename(here / left.name)
    away.rmdir()


def end_renderer(world: World, how: str) -> None:
    world.renderers_death.write_text(how)
    time.sleep(1)


def spoil(world: World, what: str) -> None:
    """Damage a committed shard, or its record, of a dataset that is under way."""
    for dataset_id in world.draw.sample(running := world.running(), len(running)):
        shards = [key for key in world.store.list_keys(keys.shards(dataset_id)) if "tar" in key]
        if not shards:
            continue
        tar = world.draw.choice(shards)
        record = tar.replace(".tar", ".json")
        world.spoilt.add(dataset_id)
        if what == "tar_cut":
            body, info = world.store.get(tar)
            world.store.put(tar, body[:-512], metadata=info.metadata)
        elif what == "record_broken":
            world.store.put(record, b"{")
        else:
            world.store.delete(tar if what == "tar_lost" else record)
        return


S3_FAULTS = {
    "s3_500": 0.5,
    "s3_503": 0.5,
    "s3_full": 0.9,
    "s3_slow": 0.5,
    "s3_reset_mid_put": 0.5,
    "s3_answer_lost": 0.5,
    "s3_truncated": 0.5,
    "s3_stale_list": 0.8,
}
REDIS_FAULTS = {
    "redis_loading": 1.0,
    "redis_readonly": 1.0,
    "redis_reset": 0.05,
    "redis_answer_lost": 0.1,
    "redis_slow": 0.3,
}
FAULTS: dict[str, Fault] = {
    **{f"kill {name}": partial(kill, name=name) for name in (*OURS, *SERVERS)},
    **{f"kill the child of {n}": partial(kill_child, name=n) for n in ("generate-1", "control")},
    **{f"stop {name}": partial(stop, name=name) for name in (*OURS, *SERVERS)},
    "FLUSHALL": flush,
    "append-only file lost": lose_redis_file,
    **{f"clock {off_s:+d} s": partial(step_clock, off_s=off_s) for off_s in CLOCKS_S},
    **{
        name: partial(moody, fault=name, chance=chance)
        for name, chance in (S3_FAULTS | REDIS_FAULTS).items()
    },
    "temporary folder lost": lose_temporary_folder,
    "renderer's process dies": partial(end_renderer, how="p"),
    "renderer fails": partial(end_renderer, how="f"),
    **{w: partial(spoil, what=w) for w in ("tar_cut", "tar_lost", "record_broken", "record_lost")},
}
MISSED = (ProcessLookupError, psutil.Error, MatteForgeError, OSError)
"""What a fault may meet that came right behind another one."""
