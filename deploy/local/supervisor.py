"""Starts programs in order, starts them again when they end, and stops them in stages."""

import threading
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue

from deploy.local.child import Child
from deploy.local.program import Program

POLL_S = 0.05


class StartFailed(Exception):
    """A program did not become ready."""


def silent(_name: str, _line: str) -> None:
    """Shows nothing: the lines are in the log files."""


class Supervisor:
    """Children die with this process, even when it is killed: its one thread is the parent of all
    of them.

    Not restartable. `echo` gets (program, line) for every line that a program writes; `logs` holds
    NAME.log.
    """

    def __init__(self, logs: Path, echo: Callable[[str, str], None] = silent) -> None:
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._logs = logs
        self._echo = echo
        self._children: list[Child] = []
        self._added: SimpleQueue[tuple[Program, SimpleQueue[Exception | None]]] = SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor")
        self._thread.start()

    def add(self, *programs: Program) -> None:
        """Start each program once the one before is ready. Raises StartFailed with the end of its
        log."""
        for program in programs:
            result: SimpleQueue[Exception | None] = SimpleQueue()
            self._added.put((program, result))
            if error := result.get():
                raise error

    def pids(self) -> dict[str, int]:
        """Process ids of the running children by name."""
        return {child.program.name: pid for child in self._children if (pid := child.pid)}

    def stop(self) -> None:
        """Stop stage after stage: SIGTERM, each program's grace, SIGKILL. Returns when nothing is
        left."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._start_next()
                for child in self._children:
                    child.keep_up()
        finally:
            self._stop_all()

    def _start_next(self) -> None:
        try:
            program, result = self._added.get(timeout=POLL_S)
        except Empty:
            return
        try:
            self._start(program)
        except Exception as error:
            result.put(error)
        else:
            result.put(None)

    def _start(self, program: Program) -> None:
        child = Child(program, self._logs, self._echo)
        child.start()
        self._children.append(child)
        deadline_s = time.monotonic() + program.ready_timeout_s
        while not program.ready():
            late = time.monotonic() > deadline_s
            if late or child.exited() or self._stopping.is_set():
                log = "\n".join(child.tail)
                why = f"is not ready after {program.ready_timeout_s:g} s" if late else "ended"
                raise StartFailed(f"{program.name} {why}:\n{log}")
            time.sleep(POLL_S)

    def _stop_all(self) -> None:
        by_stage = sorted(self._children, key=lambda child: child.program.stage)
        for _, stage in groupby(by_stage, key=lambda child: child.program.stage):
            children = list(stage)
            for child in children:
                child.ask_to_stop()
            deadline_s = time.monotonic() + max(child.program.grace_s for child in children)
            while not all(child.exited() for child in children) and time.monotonic() < deadline_s:
                time.sleep(POLL_S)
            for child in children:
                child.kill()
