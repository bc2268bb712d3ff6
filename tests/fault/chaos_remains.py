"""What is left of a stack's work once everything has ended: objects, keys, messages, processes,
files. Nothing should be."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from chaos_faults import World

from core.adapters.redis_connection import connect
from core.messages import QUEUES
from core.registry import UNFINISHED
from deploy.local.data_dir import sweep
from deploy.serve import WORKER_QUEUES

QUIET_S = 60.0
LASTING = re.compile(
    r"mf:(initialised|index(:\w+)?|ds:\w+(:\w+)?|pace|consumers)|_kombu\.binding.*"
)
MESSAGES = re.compile(r"(unacked|unacked_index|unacked_mutex)")


def remains(world: World) -> list[str]:
    """A line for each thing that is left; takes what was damaged on purpose as `fsck` mends it."""
    return [*_redis(world), *_processes(world), *_objects(world), *_files(world)]


def _redis(world: World) -> list[str]:
    """Leases, messages, and keys that would stay for ever without belonging to anything."""
    client = connect(world.stack.valkey.url)
    until_s = time.monotonic() + QUIET_S
    while (found := _busy(client)) and time.monotonic() < until_s:
        time.sleep(1)
    for key in client.scan_iter(count=1000):
        if client.ttl(key) == -1 and not (LASTING.fullmatch(key) or MESSAGES.fullmatch(key)):
            found.append(f"Redis: {key} for ever")
    print(
        f"{client.hlen('unacked')} messages of killed workers, given back after hours", flush=True
    )
    client.close()
    return found


def _busy(client: Any) -> list[str]:
    waiting = [
        key for key in client.scan_iter(match="*", count=1000) if key.split("\x06")[0] in QUEUES
    ]
    held = [f"Redis: {key}" for key in client.scan_iter(match="mf:lease:*", count=1000)]
    return held + [f"Redis: {client.llen(key)} messages in {key!r}" for key in waiting]


def _processes(world: World) -> list[str]:
    """Programs that do not run, and children that nobody needs or that stand still."""
    found = []
    running = world.stack.supervisor.pids()
    for program in ("valkey", "seaweedfs", *(one.name for one in world.stack.programs())):
        if program not in running:
            found.append(f"{program} does not run")
            continue
        parent = psutil.Process(running[program])
        family = [parent, *parent.children(recursive=True)]
        if len(family) > 2:
            found.append(f"{program} has {len(family) - 1} children")
        stuck = (psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED)
        found += [f"{program}: {one} is {one.status()}" for one in family if one.status() in stuck]
    return found


def _objects(world: World) -> list[str]:
    """What `matteforge fsck --repair` can't mend; then nothing may be left to find."""
    found = []
    command = [str(Path(sys.executable).with_name("matteforge")), "fsck", "--rate", "1000"]
    env = {**os.environ, **world.stack.settings()}
    for options in (["--repair"], []):
        done = subprocess.run(
            [*command, *options], env=env, capture_output=True, text=True, timeout=600, check=False
        )
        print(f"fsck {' '.join(options)}: {done.stdout.splitlines()[-1:]}", flush=True)
        if done.returncode:
            found += [f"fsck {' '.join(options)}: {line}" for line in done.stdout.splitlines()]
    return found


def _files(world: World) -> list[str]:
    """Temporary files: of killed workers none while the stack runs, of others none once it starts
    again."""
    temporary = world.stack.data_dir / "tmp"
    living = sum(one.name.split("-")[0] in WORKER_QUEUES for one in world.stack.programs())
    folders = [path.name for path in temporary.glob("matteforge-*")]
    works = [name for name in folders if not name.startswith("matteforge-samples-")]
    left = [f"left behind while it ran: {works}"] if len(works) > living else []
    world.stack.stop()
    sweep(world.stack.data_dir)
    left += [f"left behind: {path}" for path in temporary.iterdir()]
    cache = world.stack.data_dir / "cache"
    return left + [f"left behind: {path}" for path in cache.glob(f"{UNFINISHED}*")]
