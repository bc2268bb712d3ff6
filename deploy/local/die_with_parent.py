"""Runs a program so that it dies with its parent: `python die_with_parent.py PARENT_PID
NICE PROGRAM ARGUMENT…`.

Executed as a file, without site packages, so that it costs milliseconds.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; survives exec, not fork


def die_with_parent() -> None:
    """Ask Linux to kill this process when the thread that started it ends; elsewhere a no-op."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    parent, nice, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    die_with_parent()
    if os.getppid() != parent:  # it died before the request was in force
        sys.exit(1)
    os.nice(nice)
    os.execv(program[0], program)
