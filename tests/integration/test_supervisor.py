"""The supervisor with real processes: order, restarts, stages of stopping, and what a kill -9
leaves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from deploy.local import child
from deploy.local.program import Program
from deploy.local.supervisor import StartFailed, Supervisor

WAIT_S = 20.0


def script(tmp_path: Path, name: str, body: str) -> tuple[str, ...]:
    """argv of a Python program that can `note` lines in tmp_path/notes."""
    path = tmp_path / f"{name}.py"
    header = f"""
import os, signal, subprocess, sys, time
def note(text):
    with open({str(tmp_path / "notes")!r}, "a") as file:
        file.write(text + "\\n")
"""
    path.write_text(header + body)
    return (sys.executable, "-S", str(path))


def notes(tmp_path: Path) -> list[str]:
    path = tmp_path / "notes"
    return path.read_text().splitlines() if path.exists() else []


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.02)


SLEEPER = "note('{name} starts')\ntime.sleep(600)\n"
POLITE = """
def end(*_):
    note('{name} ends')
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note('{name} starts')
time.sleep(600)
"""
STUBBORN = """
signal.signal(signal.SIGTERM, lambda *_: note('asked'))
grandchild = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])
note(str(grandchild.pid))
while True:
    time.sleep(600)
"""


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "logs")
    yield supervisor
    supervisor.stop()


def test_a_program_that_can_not_be_started_ends_no_other(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("steady", "killed"):
        argv = script(tmp_path, name, SLEEPER.format(name=name))
        supervisor.add(Program(name=name, argv=argv, ready=lambda: True))
    until(lambda: len(notes(tmp_path)) == 2)
    pids, real, refused = supervisor.pids(), subprocess.Popen, []

    def popen(*args: object, **options: object) -> object:
        if len(refused) < 2:
            refused.append(time.monotonic())
            raise OSError(12, "Cannot allocate memory")
        return real(*args, **options)

    monkeypatch.setattr(child.subprocess, "Popen", popen)
    os.kill(pids["killed"], signal.SIGKILL)
    until(lambda: notes(tmp_path).count("killed starts") == 2)
    assert supervisor.pids()["steady"] == pids["steady"]
    assert refused[1] - refused[0] > 0.9, "each try waits longer than the one before"


def test_a_program_starts_when_the_one_before_is_ready(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    first = script(tmp_path, "first", "time.sleep(0.3)\n" + SLEEPER.format(name="first"))
    second = script(tmp_path, "second", SLEEPER.format(name="second"))
    supervisor.add(
        Program(name="first", argv=first, ready=lambda: "first starts" in notes(tmp_path)),
        Program(name="second", argv=second, ready=lambda: "second starts" in notes(tmp_path)),
    )
    assert notes(tmp_path) == ["first starts", "second starts"]
    assert set(supervisor.pids()) == {"first", "second"}


def test_a_program_that_ends_at_the_start_is_reported_with_its_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    argv = script(tmp_path, "broken", "print('no such port')\nsys.exit(3)\n")
    with pytest.raises(StartFailed, match=r"broken ended:\n.*no such port"):
        supervisor.add(Program(name="broken", argv=argv, ready=lambda: False))


def test_a_program_that_never_gets_ready_is_reported(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    argv = script(tmp_path, "slow", SLEEPER.format(name="slow"))
    with pytest.raises(StartFailed, match=r"slow is not ready after 0.2 s"):
        supervisor.add(Program(name="slow", argv=argv, ready=lambda: False, ready_timeout_s=0.2))


def test_a_program_that_ends_is_started_again_ever_later(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "FIRST_DELAY_S", 0.1)
    argv = script(tmp_path, "crash", "note(str(time.monotonic()))\nsys.exit(1)\n")
    supervisor.add(Program(name="crash", argv=argv))
    until(lambda: len(notes(tmp_path)) >= 4)
    started = [float(line) for line in notes(tmp_path)]
    pauses = [after - before for before, after in pairwise(started)]
    assert pauses[0] >= 0.1
    assert pauses[1] >= 0.2
    assert pauses[2] >= 0.4


def test_a_program_stands_back_as_far_as_it_is_told(supervisor: Supervisor, tmp_path: Path) -> None:
    argv = script(tmp_path, "bulk", "note(str(os.nice(0)))\n" + SLEEPER.format(name="bulk"))
    supervisor.add(Program(name="bulk", argv=argv, nice=3))
    until(lambda: "bulk starts" in notes(tmp_path))
    assert notes(tmp_path)[0] == str(min(os.nice(0) + 3, 19))


def test_a_killed_program_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    argv = script(tmp_path, "worker", SLEEPER.format(name="worker"))
    supervisor.add(Program(name="worker", argv=argv))
    until(lambda: len(notes(tmp_path)) == 1)
    pid = supervisor.pids()["worker"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: len(notes(tmp_path)) == 2)
    assert supervisor.pids()["worker"] != pid


def test_servers_outlive_the_programs_that_use_them(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "logs")
    server, worker = (
        script(tmp_path, name, POLITE.format(name=name)) for name in ("server", "worker")
    )
    supervisor.add(
        Program(name="server", argv=server, stage=2), Program(name="worker", argv=worker)
    )
    until(lambda: len(notes(tmp_path)) == 2)
    supervisor.stop()
    assert notes(tmp_path)[2:] == ["worker ends", "server ends"]


def test_who_does_not_stop_is_killed_with_its_children(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "logs")
    supervisor.add(
        Program(name="stubborn", argv=script(tmp_path, "stubborn", STUBBORN), grace_s=0.5)
    )
    until(lambda: len(notes(tmp_path)) == 1)
    supervisor.stop()
    assert notes(tmp_path)[1] == "asked"
    until(lambda: not _runs(int(notes(tmp_path)[0])))


def test_what_a_program_writes_is_kept_and_shown(tmp_path: Path) -> None:
    shown: list[tuple[str, str]] = []
    supervisor = Supervisor(tmp_path / "logs", lambda name, line: shown.append((name, line)))
    argv = script(
        tmp_path,
        "talker",
        "print('out', flush=True)\nprint('err', file=sys.stderr)\ntime.sleep(600)\n",
    )
    supervisor.add(Program(name="talker", argv=argv))
    until(lambda: len(shown) == 2)
    supervisor.stop()
    assert shown == [("talker", "out"), ("talker", "err")]
    assert (tmp_path / "logs" / "talker.log").read_text() == "out\nerr\n"


def test_a_killed_supervisor_leaves_nothing_behind(tmp_path: Path) -> None:
    program = script(tmp_path, "worker", "note(str(os.getpid()))\ntime.sleep(600)\n")
    main = f"""
import time
from pathlib import Path
from deploy.local.program import Program
from deploy.local.supervisor import Supervisor
programs = [Program(name=name, argv={program!r}) for name in "ab"]
Supervisor(Path({str(tmp_path / "logs")!r})).add(*programs)
time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", main])
    until(lambda: len(notes(tmp_path)) == 2)
    pids = [int(line) for line in notes(tmp_path)]
    assert all(_runs(pid) for pid in pids)
    process.kill()
    process.wait()
    until(lambda: not any(_runs(pid) for pid in pids))


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


TALKER = """
import pathlib, sys
for number in range(2000):
    print("x" * 100, flush=True)
pathlib.Path(sys.argv[1]).touch()
"""
LIMITED = """
import pathlib, resource, sys, time
from deploy.local.program import Program
from deploy.local.supervisor import Supervisor
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
done = pathlib.Path(sys.argv[1], "done")
supervisor = Supervisor(pathlib.Path(sys.argv[1], "logs"))
supervisor.add(Program(name="talker", argv=(sys.executable, "-c", sys.argv[2], str(done))))
ends_s = time.monotonic() + 30
while not done.exists() and time.monotonic() < ends_s:
    time.sleep(0.05)
supervisor.stop()
"""


def test_a_log_that_can_not_be_written_stops_no_program(tmp_path: Path) -> None:
    """Files may have 5,000 bytes at most, which is a full disk to who writes."""
    subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path), TALKER], check=True)
    assert (tmp_path / "done").exists(), "the program lost its output, and ended"
    assert (tmp_path / "logs" / "talker.log").stat().st_size == 5000
