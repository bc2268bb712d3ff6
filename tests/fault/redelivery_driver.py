"""A train worker whose broker is impatient and whose first stage waits for a file: started by
test_redelivery.py."""

import os
import sys
import time
from pathlib import Path

from celery.signals import task_postrun, task_prerun, worker_process_init

from workers.app import app

diary = Path(sys.argv[1])


def write(line: str) -> None:
    with diary.open("a") as file:
        file.write(f"{os.getpid()} {line}\n")


def baseline(job, context) -> dict[str, object]:
    write("works")
    while not diary.with_name("go").exists():
        time.sleep(0.05)
        job.tick(0.5)
    return {}


@worker_process_init.connect
def replace_stages(**_: object) -> None:
    from matteforge.schemas.training import STAGES, Stage
    from workers.cycle import run_cycle

    for stage in STAGES:
        run_cycle.FUNCTIONS[stage] = lambda job, context: {"bundle": None, "promoted": False}
    run_cycle.FUNCTIONS[Stage.BASELINE] = baseline


task_prerun.connect(lambda **_: write("gets the message"), weak=False)
task_postrun.connect(lambda **_: write("is done with it"), weak=False)
app.conf.broker_transport_options |= {"unacked_restore_interval": 1, "unacked_restore_throttle": 1}
app.worker_main(
    [
        "worker",
        "--queues",
        "train",
        "--pool",
        "prefork",
        "--concurrency",
        "1",
        "--prefetch-multiplier",
        "1",
        "--without-gossip",
        "--without-mingle",
        "--hostname",
        f"train-{os.getpid()}@%h",
    ]
)
