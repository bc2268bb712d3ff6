"""What the tasks' shells do beside calling a function."""

import os
from collections.abc import Callable
from types import SimpleNamespace
from unittest import mock

from core.errors import DeviceLost
from core.messages import RunCycle, RunShard
from workers import tasks
from workers.cycle import run_cycle as cycles
from workers.generate import run_shard as shards


def test_a_process_that_lost_its_device_ends_once_its_last_commit_is_done() -> None:
    done: list[str] = []
    registered: dict[str, Callable[..., None]] = {}
    app = SimpleNamespace(
        Task=SimpleNamespace(), task=lambda run, name, **_: registered.update({name: run})
    )
    context = SimpleNamespace(in_background=lambda work: (done.append("committed"), work()))
    tasks.register_tasks(app, lambda: context)
    lost = DeviceLost("cuda:0: ECC")
    with (
        mock.patch.object(shards, "run_shard", side_effect=lost),
        mock.patch.object(cycles, "run_cycle", side_effect=lost),
        mock.patch.object(os, "_exit", lambda code: done.append(f"ended {code}")),
    ):
        registered[RunShard.task]("d", 0)
        registered[RunCycle.task]("r")
    assert done == ["committed", "ended 70"] * 2
