"""The composition root, in processes of its own: what is imported when, and who dies with whom."""

import os
import signal
import subprocess
import sys
import time

import pytest

HEAVY = ("torch", "transformers", "numpy", "scipy", "PIL", "models")


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    ).stdout


@pytest.mark.thorough
def test_the_parent_and_the_control_worker_import_nothing_heavy() -> None:
    loaded = f"import sys; print([m for m in {HEAVY} if m in sys.modules])"
    assert python(f"import workers.app; {loaded}") == "[]\n"
    assert python(f"import workers.commands.models; {loaded}") == "[]\n"


@pytest.mark.thorough
def test_the_control_worker_runs_where_torch_and_numpy_are_not_installed() -> None:
    code = f"""
import sys
for name in {HEAVY}:
    sys.modules[name] = None
from datetime import datetime
from core.adapters.memory import *
from core.adapters.memory_doorbell import *
from core.adapters.memory_leases import *
from core.adapters.memory_store import *
from core.datasets.catalog import Catalog
from core.settings import Settings
from workers.context import Context
from workers.control.reconcile import reconcile
import workers.app
store = MemoryStore()
reconcile(Context(settings=Settings(), catalog=Catalog(store), live=MemoryLiveView(),
          leases=MemoryLeaseBook(),
          doorbell=MemoryDoorbell(), sampler=None), 0.0)
"""
    assert python(code) == ""


@pytest.mark.thorough
def test_importing_the_root_reads_no_settings() -> None:
    code = """
import os
os.environ["MATTEFORGE_WINDOW"] = "no number"
import workers.app
try:
    workers.app.app
except ValueError as error:
    print("window" in str(error))
"""
    assert python(code) == "True\n"


def test_every_message_has_a_task_and_beat_asks_for_reconciliation() -> None:
    import core.messages as messages
    from workers.app import app

    kinds = [
        kind for kind in vars(messages).values() if isinstance(kind, type) and hasattr(kind, "task")
    ]
    assert {kind.task for kind in kinds} <= set(app.tasks)
    assert len(kinds) >= 2
    assert [entry["task"] for entry in app.conf.beat_schedule.values()] == [messages.Reconcile.task]


def test_one_task_at_a_time_acknowledged_when_done() -> None:
    from workers.app import app

    assert (app.conf.worker_concurrency, app.conf.worker_prefetch_multiplier) == (1, 1)
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.task_time_limit is None
    assert app.conf.broker_transport_options["visibility_timeout"] >= 3600


def test_a_child_dies_with_its_killed_parent() -> None:
    child = """
import os, time
from workers.lifecycle import die_with
die_with(os.getppid())
print("up", flush=True)
time.sleep(60)
"""
    parent = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {child!r}])
print(child.pid, flush=True)
child.wait()
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(2)]
        pid = int(next(line for line in lines if line != "up"))
        process.send_signal(signal.SIGKILL)
    deadline_s = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not alive(pid)


def test_a_child_whose_parent_is_already_gone_ends_itself() -> None:
    code = "from workers.lifecycle import die_with; die_with(2**22 + 1); print('still here')"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert (process.returncode, process.stdout) == (-signal.SIGKILL, "")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"
