"""One supervised program: its process group, its log, when to start it again."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from deploy.local import die_with_parent
from deploy.local.program import Program

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 10.0
STEADY_AFTER_S = 30.0  # a program that ran so long starts with the first delay again
LOG_BYTES = 10 << 20


class Child:
    """Keeps one program. All methods are called from one thread, which must outlive the process
    (see die_with_parent.py)."""

    def __init__(self, program: Program, logs: Path, echo: Callable[[str, str], None]) -> None:
        self.program = program
        self.tail: deque[str] = deque(maxlen=20)
        self._log = logs / f"{program.name}.log"
        self._echo = echo
        self._process: subprocess.Popen[str] | None = None
        self._pump: threading.Thread | None = None
        self._started_s = 0.0
        self._delay_s = FIRST_DELAY_S
        self._start_at_s = 0.0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the program in a process group of its own."""
        self._started_s = time.monotonic()
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-S",
                "-E",
                die_with_parent.__file__,
                str(os.getpid()),
                str(self.program.nice),
                *self.program.argv,
            ],
            env={**os.environ, **self.program.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._pump = threading.Thread(target=self._copy_output, args=(self._process,), daemon=True)
        self._pump.start()

    def exited(self) -> bool:
        """True when the process is gone; whatever it left in its group is killed first."""
        if self._process is None:
            return True
        if not _is_over(self._process.pid):
            return False
        self._reap()
        return True

    def keep_up(self) -> None:
        """Start the program again if it ended and its delay is over; each quick end doubles the
        delay."""
        now_s = time.monotonic()
        if self._process is None and now_s >= self._start_at_s:
            try:
                self.start()
            except OSError as error:  # no memory, no disk: nobody else is ended for that
                self._later(now_s, f"can't be started: {error}")
        elif self._process is not None and self.exited():
            self._later(now_s, "ended")

    def _later(self, now_s: float, what: str) -> None:
        if now_s - self._started_s > STEADY_AFTER_S:
            self._delay_s = FIRST_DELAY_S
        self._start_at_s = now_s + self._delay_s
        self._echo(self.program.name, f"{what}; starting again in {self._delay_s:g} s")
        self._delay_s = min(2 * self._delay_s, LONGEST_DELAY_S)

    def ask_to_stop(self) -> None:
        """SIGTERM to the program itself, which knows its own children."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        if self._process is not None:
            self._reap()

    def _reap(self) -> None:
        assert self._process is not None
        with suppress(
            ProcessLookupError
        ):  # not reaped yet, so the number can't have gone to others
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._pump is not None:
            self._pump.join()
        self._process = None

    def _copy_output(self, process: "subprocess.Popen[str]") -> None:
        """Goes on until the program ends, whatever becomes of the copies: nobody else empties its
        pipe, and so a full disk would stop every program that says something."""
        assert process.stdout is not None
        with process.stdout, ExitStack() as opened:
            log = None
            for line in process.stdout:
                self.tail.append(line.rstrip())
                with suppress(OSError):
                    log = log or opened.enter_context(
                        open(self._log, "ab", buffering=0, opener=_private)
                    )
                    log.write(line.encode())
                with suppress(OSError):
                    self._echo(self.program.name, line.rstrip())


def _private(path: str, flags: int) -> int:
    """Open a log that its owner alone may read, whatever the umask says."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _is_over(pid: int) -> bool:
    """Whether a child process has ended, without reaping it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
