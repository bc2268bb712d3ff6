"""Signs of life: not before five seconds, then how much, how fast and how long still."""

from workers.commands.progress import Signs, duration


def test_signs_say_how_far_how_fast_and_how_long(capsys):
    now, asked = [0.0], []

    def total() -> int:
        asked.append(1)
        return 40

    signs = Signs("files", total, clock=lambda: now[0])
    for second in range(12):
        now[0] = float(second)
        signs.step()
    assert capsys.readouterr().err.splitlines() == [
        "5 files, 1.0 a second, 35 s left of 40",
        "10 files, 1.0 a second, 30 s left of 40",
    ]
    assert len(asked) == 1


def test_without_a_total_there_is_no_time_left(capsys):
    now = [0.0]
    signs = Signs("pairs", clock=lambda: now[0])
    list(signs.each("ab"))
    now[0] = 6.0
    assert list(signs.each("c")) == ["c"]
    assert capsys.readouterr().err == "2 pairs, 0.3 a second\n"


def test_durations():
    assert [duration(s) for s in (0.1, 89, 600, 9000)] == ["1 s", "89 s", "10 min", "2.5 h"]
