"""Which service a command talks to: as named, as the environment says, or one that runs here."""

import os
import shlex
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
import httpx

from matteforge.client import MatteForge
from matteforge.errors import MatteForgeError

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_DATA_DIR = "matteforge-data"
INTERRUPTED = 130  # exit status of a shell's command that Ctrl-C ended


def running_here() -> dict[str, str]:
    """Settings of the `matteforge up` that runs on MATTEFORGE_DATA_DIR, by default
    ./matteforge-data; none when none does."""
    folder = _data_dir()
    if not is_locked(folder / "lock"):
        return {}
    try:
        lines = (folder / "env").read_text().splitlines()
        words = [word for line in lines for word in shlex.split(line.removeprefix("export "))]
    except (OSError, ValueError):
        return {}
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _data_dir() -> Path:
    return Path(os.environ.get("MATTEFORGE_DATA_DIR", DEFAULT_DATA_DIR))


def adopt_running() -> None:
    """Give an operator's command the settings of the service that runs here, unless the environment
    names stores of its own, and the data directory's compiled code, where there is one."""
    if _data_dir().is_dir():
        os.environ.update(keep_compiled(_data_dir()))
    if not {"MATTEFORGE_S3_ENDPOINT", "MATTEFORGE_REDIS_URL"} & os.environ.keys():
        for name, value in running_here().items():
            os.environ.setdefault(name, value)


def keep_compiled(data_dir: Path) -> dict[str, str]:
    """The setting by which numba keeps what it compiles in a data directory, not in the
    installation; none where the environment names a folder."""
    name = "NUMBA_CACHE_DIR"  # read when numba is imported
    return {} if name in os.environ else {name: str(data_dir.resolve() / "cache" / "compiled")}


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock: `matteforge up` does, for as long as it runs."""
    try:
        import fcntl  # not on Windows, where no service runs
    except ModuleNotFoundError:
        return False
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    except OSError:
        pass
    return False


def service(command: Callable[..., None]) -> Callable[..., None]:
    """Adds --url and --api-key, hands over the client, and turns its errors into messages."""

    @click.option(
        "--url",
        envvar="MATTEFORGE_URL",
        show_envvar=True,
        help=f"[default: the service that runs here, else {DEFAULT_URL}]",
    )
    @click.option(
        "--api-key",
        envvar="MATTEFORGE_API_KEY",
        show_envvar=True,
        help="[default: that of the service that runs here]",
    )
    @wraps(command)
    def connected(url: str | None, api_key: str | None, **options: Any) -> None:
        url, api_key = _service_of(url, api_key)
        try:
            with MatteForge(url, api_key) as client:
                command(client, **options)
        except MatteForgeError as error:
            raise click.ClickException(str(error)) from error
        except httpx.InvalidURL as error:
            raise click.ClickException(
                f"{url!r} is no address: {error}; give e.g. {DEFAULT_URL}"
            ) from error

    return connected


def _service_of(url: str | None, api_key: str | None) -> tuple[str, str]:
    """What is not given comes from a service that runs here, if the address is not another's."""
    here = running_here() if api_key is None else {}
    if url is None:
        url = here.get("MATTEFORGE_URL", DEFAULT_URL)
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"--url is an address such as {DEFAULT_URL}, not {url!r}")
    if api_key is None and url == here.get("MATTEFORGE_URL"):
        api_key = here.get("MATTEFORGE_API_KEY")
    if not api_key:
        raise click.UsageError(
            "which API key? Set MATTEFORGE_API_KEY or give --api-key; a service that runs here is "
            "found by its folder: run this beside it, or set MATTEFORGE_DATA_DIR"
        )
    return url, api_key


def output(command: Callable[..., None]) -> Callable[..., None]:
    """Adds --json: what the service answers, for programs; and --quiet: no progress."""
    command = click.option("--json", "as_json", is_flag=True, help="print JSON, for programs")(
        command
    )
    return click.option("--quiet", is_flag=True, help="no progress, no tables")(command)
