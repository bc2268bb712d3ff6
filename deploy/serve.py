"""The long-running processes: one table of how each is started, for `matteforge serve`, `matteforge
up` and the images.

Only these lines know uvicorn's and Celery's flags. Settings come from MATTEFORGE_* variables
(core/settings.py).
"""

import os
import sys
from collections.abc import Sequence

import click

from core.messages import (
    QUEUE_CONTROL,
    QUEUE_GENERATE,
    QUEUE_MATTE,
    QUEUE_RENDER,
    QUEUE_TRAIN,
    QUEUE_WEBHOOK,
)

WORKER_QUEUES = {
    "generate": QUEUE_GENERATE,
    "render": QUEUE_RENDER,
    "train": QUEUE_TRAIN,
    "control": QUEUE_CONTROL,
    "matte": QUEUE_MATTE,
    "webhook": QUEUE_WEBHOOK,
}
KEEP_ALIVE_S = "75"  # clients poll every few seconds: uvicorn's five would often end just then
POOLS = {"webhook": ("threads", "--concurrency", "8")}  # it waits for others' servers
PROCESSES = ("api", *WORKER_QUEUES, "beat", "flower")


def flower_prefix() -> str:
    """The path of Flower's pages, as browsers see it: the API passes them on below its own."""
    root_path = os.environ.get("MATTEFORGE_ROOT_PATH", "").strip("/")
    return f"{root_path}/flower".lstrip("/")


def command(process: str, extra: Sequence[str] = ()) -> list[str]:
    """argv of one process; `extra` flags go to uvicorn, Celery or Flower as they are."""
    python = [sys.executable, "-m"]
    if process == "api":
        return [*python, "uvicorn", "service.app:create_app", "--factory", "--no-server-header",
                "--http", "service.connections:ImpatientProtocol",
                "--timeout-graceful-shutdown", "3", "--timeout-keep-alive", KEEP_ALIVE_S,
                *extra]  # fmt: skip
    celery = [*python, "celery", "--app", "workers.app:app"]
    if process == "beat":
        return [*celery, "beat", "--loglevel", "INFO", "--pidfile=", *extra]
    if process == "flower":
        return [
            *python,
            "deploy.flower",
            "--app",
            "workers.app:app",
            "flower",
            f"--url_prefix={flower_prefix()}",
            *extra,
        ]
    worker = [
        "worker",
        "--queues",
        WORKER_QUEUES[process],
        "--hostname",
        f"{process}@%h",
        "--loglevel",
        "INFO",
        "--task-events",  # Flower would miss what is done before it asks for them
    ]
    return [
        *celery,
        *worker,
        "--pool",
        *POOLS.get(process, ("prefork", "--concurrency", "1")),
        "--prefetch-multiplier",
        "1",
        "--without-gossip",
        "--without-mingle",
        *extra,
    ]


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("process", type=click.Choice(PROCESSES))
@click.argument("extra", nargs=-1, type=click.UNPROCESSED)
def serve(process: str, extra: tuple[str, ...]) -> None:
    """Run one process in the foreground, e.g. `matteforge serve api --port 8000`."""
    argv = command(process, extra)
    os.execv(argv[0], argv)
