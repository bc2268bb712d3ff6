"""The command imports what a subcommand needs, when it is named."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from core.errors import StoreRefused
from matteforge.cli.main import COMMANDS, main

WITHOUT = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "fastapi", "redis", "boto3", "celery", "numpy", "PIL",
                                  "httpx", "uvicorn"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
from matteforge.cli.main import main
main(sys.argv[1:], prog_name="matteforge")
"""


def test_help_needs_nothing_but_click() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", WITHOUT, "--help"], capture_output=True, text=True, check=True
    )
    for name, (_, help_text) in COMMANDS.items():
        assert name in shown.stdout
        assert help_text[:30] in shown.stdout


def test_a_command_whose_needs_are_not_met_says_so() -> None:
    refused = subprocess.run(
        [sys.executable, "-c", WITHOUT, "order", "1"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert refused.stderr == "Error: `matteforge order` needs httpx, which is not installed\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0
    assert shown.output.startswith(f"Usage: main {name}")


def test_an_unknown_command_is_refused() -> None:
    refused = CliRunner().invoke(main, ["nonsense"])
    assert refused.exit_code == 2
    assert "nonsense" in refused.output


def test_output_that_can_not_be_written_is_told_in_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT, "--help"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "Error: No space left on device: the output can't be written\n"


def test_a_refusal_of_the_store_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise StoreRefused("there are no credentials for the object store")

    monkeypatch.setattr(click.Group, "invoke", lambda self, context: refuse())
    told = CliRunner().invoke(main, ["models", "list"])
    assert told.exit_code == 1
    assert told.output == "Error: there are no credentials for the object store\n"
