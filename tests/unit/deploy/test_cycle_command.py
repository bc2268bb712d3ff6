"""`matteforge cycle` after a trainer was killed: its lease is waited for, a living one's is not for
ever."""

import pytest

from deploy import cycle


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s, self.attempts = 0.0, 0
        monkeypatch.setattr(cycle.time, "monotonic", lambda: self.now_s)
        monkeypatch.setattr(cycle.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def attempt(self) -> None:
        self.attempts += 1


def test_the_lease_of_a_dead_trainer_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    clock = Clock(monkeypatch)
    cycle.attempt_until(clock.attempt, lambda: clock.now_s >= 20, 35)
    assert (clock.now_s, clock.attempts) == (20, 21)
    assert "waiting up to 35 s" in capsys.readouterr().out


def test_that_of_a_living_one_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    cycle.attempt_until(clock.attempt, lambda: False, 35)
    assert (clock.now_s, clock.attempts) == (35, 36)


def test_work_that_outlasts_the_patience_is_not_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    cycle.attempt_until(lambda: (clock.attempt(), clock.sleep(3600))[0], lambda: False, 35)
    assert clock.attempts == 1
