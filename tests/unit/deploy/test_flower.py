"""Flower is started with a login or not at all."""

import subprocess
import sys

import pytest

from deploy.flower import check_logins


@pytest.mark.parametrize(
    "logins", ["", "operator", "operator:", ":secret", "operator:secret,second:"]
)
def test_an_empty_login_is_refused_in_one_line(logins: str) -> None:
    with pytest.raises(SystemExit, match="USER:PASSWORD"):
        check_logins(logins)


def test_logins_pass() -> None:
    check_logins("operator:secret,second:other:with:colons")


def test_the_process_ends_before_it_listens() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.flower", "--app", "workers.app:app", "flower"],
        env={"FLOWER_BASIC_AUTH": "operator:"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
