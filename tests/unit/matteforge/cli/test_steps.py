"""A bar in a terminal after two seconds; nothing anywhere else."""

import io

import pytest
from rich.console import Console

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


def test_one_long_step_is_silent_where_no_person_looks(capsys):
    with working("writing"):
        pass
    assert capsys.readouterr().err == ""
