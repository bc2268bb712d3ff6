"""Which service a command finds."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from matteforge.cli import connection
from matteforge.cli.main import main


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("MATTEFORGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MATTEFORGE_DATA_DIR", str(tmp_path))
    (tmp_path / "env").write_text(
        "export MATTEFORGE_URL=http://127.0.0.1:1234\nexport MATTEFORGE_API_KEY='mf_a b'\n"
        "export MATTEFORGE_S3_ENDPOINT=http://127.0.0.1:9\n"
    )
    return tmp_path


@pytest.fixture
def running(data_dir: Path) -> Iterator[Path]:
    """A data directory on which something runs."""
    with (data_dir / "lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield data_dir


@click.command()
@connection.service
def where(client: object) -> None:
    http = client.transport.http  # type: ignore[attr-defined]
    click.echo(f"{http.base_url} {http.headers['authorization']}")


def test_a_running_service_is_found_by_its_folder(running: Path) -> None:
    result = CliRunner().invoke(where)
    assert result.output == "http://127.0.0.1:1234 Bearer mf_a b\n"


def test_its_key_goes_to_no_other_service(running: Path) -> None:
    result = CliRunner().invoke(where, ["--url", "http://elsewhere"])
    assert result.exit_code == 2
    assert "which API key?" in result.output


def test_a_service_that_ended_is_not_found(data_dir: Path) -> None:
    (data_dir / "lock").touch()
    assert connection.running_here() == {}
    result = CliRunner().invoke(where)
    assert (result.exit_code, "which API key?" in result.output) == (2, True)


@pytest.mark.parametrize("url", ["forge", "http://a:b", "ftp://forge"])
def test_an_address_that_is_none_is_one_line(data_dir: Path, url: str) -> None:
    result = CliRunner().invoke(where, ["--url", url, "--api-key", "k"])
    assert result.exit_code in (1, 2)
    assert "address" in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_operator_s_commands_take_the_stores_of_what_runs_here(
    running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    connection.adopt_running()
    assert os.environ["MATTEFORGE_S3_ENDPOINT"] == "http://127.0.0.1:9"


def test_stores_that_the_environment_names_stay(
    running: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "MATTEFORGE_REDIS_URL": "redis://x"})
    connection.adopt_running()
    assert "MATTEFORGE_S3_ENDPOINT" not in os.environ


@pytest.mark.parametrize(
    "name", ["recover", "fsck", "models", "corpora", "evaluate", "train", "serve", "cycle"]
)
def test_every_operator_s_command_does(
    running: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert isinstance(main.get_command(click.Context(main), name), click.Command)
    assert os.environ["MATTEFORGE_S3_ENDPOINT"] == "http://127.0.0.1:9"


def test_commands_are_completed() -> None:
    env = {
        "_MATTEFORGE_COMPLETE": "bash_complete",
        "COMP_WORDS": "matteforge web",
        "COMP_CWORD": "1",
    }
    done = CliRunner().invoke(main, [], env=env, prog_name="matteforge")
    assert done.stdout == "plain,webhooks\n"


@pytest.mark.parametrize("key", ["mf_a\nmf_b", "“mf_secret”", "\r\n"])
def test_a_key_that_can_not_be_sent_is_one_line_that_does_not_show_it(
    data_dir: Path, key: str
) -> None:
    result = CliRunner().invoke(where, ["--url", "http://x"], env={"MATTEFORGE_API_KEY": key})
    assert result.exit_code in (1, 2)
    assert "mf_" not in result.output
    assert result.output.strip().splitlines()[-1].startswith("Error: ")
    assert isinstance(result.exception, SystemExit)


def test_a_line_feed_after_a_key_is_cut_off(data_dir: Path) -> None:
    result = CliRunner().invoke(where, ["--url", "http://x"], env={"MATTEFORGE_API_KEY": "mf_x\n"})
    assert result.output == "http://x Bearer mf_x\n"


@pytest.mark.parametrize("url", ["http://127.0.0.1:80a0", "http://[::1"])
def test_a_port_that_is_none_is_one_line(data_dir: Path, url: str) -> None:
    result = CliRunner().invoke(where, ["--url", url, "--api-key", "k"])
    assert result.exit_code == 1
    assert "is no address" in result.output


def test_compiled_code_is_kept_in_the_data_directory(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    os.environ.pop("NUMBA_CACHE_DIR")
    connection.adopt_running()
    assert os.environ["NUMBA_CACHE_DIR"] == str(data_dir / "cache" / "compiled")
    assert connection.keep_compiled(data_dir / "other") == {}, "the environment names one"


def test_without_a_data_directory_numba_decides(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    os.environ.pop("NUMBA_CACHE_DIR")
    os.environ["MATTEFORGE_DATA_DIR"] = str(data_dir / "none")
    connection.adopt_running()
    assert "NUMBA_CACHE_DIR" not in os.environ
