"""A killed process's temporary files are removed by the next one, those of a living one never."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

CHILD = """
import sys, tempfile, time
from workers.temporary import move_in, move_out
print(move_in(), flush=True)
open(tempfile.mkstemp()[1], "w").write("half a shard")
if sys.stdin.readline() == "orderly\\n":
    move_out()
"""


def start(home: Path) -> tuple["subprocess.Popen[str]", Path]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env={**os.environ, "TMPDIR": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    return child, Path(child.stdout.readline().strip())


def end(child: "subprocess.Popen[str]", *, orderly: bool) -> None:
    if not orderly:
        child.send_signal(signal.SIGKILL)
    child.communicate("orderly\n" if orderly else None)


def test_the_dead_ones_are_removed(tmp_path: Path) -> None:
    before = tempfile.gettempdir()
    living, its_folder = start(tmp_path)
    killed, left = start(tmp_path)
    end(killed, orderly=False)
    assert sorted(tmp_path.iterdir()) == sorted([its_folder, left])
    third, own = start(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([its_folder, own])
    end(third, orderly=True)
    end(living, orderly=True)
    assert list(tmp_path.iterdir()) == []
    assert tempfile.gettempdir() == before
