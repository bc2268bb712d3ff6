"""A bar in a terminal after two seconds; nothing anywhere else."""

import io
import time

import pytest
from rich.console import Console

from matteforge.cli import steps as steps_module
from matteforge.cli.steps import Steps, working


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_nothing_is_shown_before_two_seconds_then_how_far_it_is():
    now, asked, console = [0.0], [], terminal()

    def total() -> int:
        asked.append(1)
        return 40

    with Steps("files", total, console=console, clock=lambda: now[0]) as steps:
        for second in (0.5, 1.0, 1.9):
            now[0] = second
            steps.step()
        assert shown(console) == ""
        now[0] = 2.5
        steps.step()
        steps.step()
    assert "files" in shown(console)
    assert "5/40" in shown(console)
    assert "left" in shown(console)
    assert len(asked) == 1


@pytest.mark.parametrize("options", [{"quiet": True}, {"console": Console(file=io.StringIO())}])
def test_programs_and_quiet_people_see_nothing(options):
    console = options.setdefault("console", terminal())
    now = [0.0]
    steps = Steps("files", 3, clock=lambda: now[0], **options)
    for _ in steps.each("abc"):
        now[0] += 9
    assert shown(console) == ""


def test_items_that_can_be_counted_are():
    now, console = [0.0], terminal()
    steps = Steps("pairs", console=console, clock=lambda: now[0])
    for _ in steps.each(["a", "b", "c"]):
        now[0] += 3
    assert "3/3" in shown(console)


def test_a_long_first_step_has_a_bar_before_it_is_done(monkeypatch):
    monkeypatch.setattr(steps_module, "DELAY_S", 0.01)
    console = terminal()
    with Steps("parts", 3, console=console):
        deadline = time.monotonic() + 60
        while "0/3" not in shown(console):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_the_time_left_follows_from_the_pace_so_far_however_rare_the_steps():
    now, console = [0.0], terminal()
    with Steps("cases", 4, console=console, clock=lambda: now[0]) as steps:
        now[0] = 100.0
        steps.step()
    assert "left 0:05:00" in shown(console)


def test_parts_are_told_by_name_and_counted_when_they_are_done():
    now, console = [0.0], terminal()
    with Steps("parts", 2, console=console, clock=lambda: now[0]) as steps:
        now[0] = 3.0
        steps.part("loading")
        steps.part("sampling")
    told = shown(console)
    assert "loading" in told
    assert "sampling" in told
    assert "1/2" in told


def test_bytes_are_told_in_megabytes_of_what_is_known_later():
    now, console = [0.0], terminal()
    with Steps("MB sent", console=console, clock=lambda: now[0]) as steps:
        now[0] = 3.0
        steps.megabytes(4_000_000, 9_000_000)
        steps.megabytes(8_500_000, 9_000_000)
    assert "MB sent" in shown(console)
    assert "8/9" in shown(console)


def test_what_cannot_be_counted_does_not_end_the_work():
    def total() -> int:
        raise OSError("gone")

    now, console = [0.0], terminal()
    with Steps("files", total, console=console, clock=lambda: now[0]) as steps:
        now[0] = 3.0
        steps.step()
    assert "1/?" in shown(console)


def test_one_long_step_is_silent_where_no_person_looks(capsys):
    with working("writing"):
        pass
    assert capsys.readouterr().err == ""
