"""`matteforge up`: the whole service in the foreground."""

import shlex
import signal
import threading
from pathlib import Path
from types import FrameType

import click

from deploy.local.data_dir import DataDirInUse
from deploy.local.listen import Listen, ListenRefused
from deploy.local.ports import LOOPBACK
from deploy.local.stack import Stack
from deploy.local.supervisor import StartFailed, silent

FILE = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)
COLOURS = (
    "cyan",
    "magenta",
    "yellow",
    "blue",
    "green",
    "bright_cyan",
    "bright_magenta",
    "bright_yellow",
)


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="MATTEFORGE_DATA_DIR",
    show_envvar=True,
    default=Path("matteforge-data"),
    show_default=True,
    help="Everything is kept here: objects, Redis, secrets, logs.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Of the API."
)
@click.option("--host", default=LOOPBACK, show_default=True, help="Interface of the API.")
@click.option("--tls-cert", type=FILE, help="Certificate of the API, PEM, with its chain.")
@click.option("--tls-key", type=FILE, help="Its key, PEM.")
@click.option(
    "--insecure-http", is_flag=True, help="Let others reach the API without TLS all the same."
)
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Generate workers."
)
@click.option(
    "--quiet", is_flag=True, help="Keep the logs out of the terminal; they are in DATA_DIR/logs."
)
def up(
    data_dir: Path,
    port: int,
    host: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    insecure_http: bool,
    workers: int,
    quiet: bool,
) -> None:
    """Run the whole service on this machine until Ctrl-C: Valkey, S3, API, workers, beat,
    Flower.

    Only the API listens on --host; beyond this machine it needs TLS.
    """
    listen = Listen(host=host, certificate=tls_cert, key=tls_key, insecure_http=insecure_http)
    try:
        listen.check(port)
    except ListenRefused as error:
        raise click.ClickException(str(error)) from error
    for name in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # SIGINT is ignored in a script's background otherwise
        signal.signal(name, _interrupt)
    try:
        with Stack(
            data_dir,
            port=port,
            listen=listen,
            generate_workers=workers,
            echo=silent if quiet else print_line,
        ) as stack:
            click.echo(_summary(stack))
            threading.Event().wait()
    except KeyboardInterrupt:
        click.echo("stopped")
    except (DataDirInUse, StartFailed) as error:
        raise click.ClickException(str(error)) from error


def print_line(name: str, line: str) -> None:
    """Print one line of a program under its name."""
    click.echo(click.style(f"{name:>12} | ", fg=COLOURS[sum(name.encode()) % len(COLOURS)]) + line)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _summary(stack: Stack) -> str:
    return f"""
MatteForge is ready.

  API      {stack.url}   (reference: {stack.url}/docs)
  Flower   {stack.url}/flower/ for admins, and {stack.flower_url}/   (user {stack.flower_login[0]})
  S3       {stack.seaweedfs.url}
  Data     {stack.data_dir}
  Secrets  {stack.secrets_file}   (API key, passwords: never printed)

  . {shlex.quote(str(stack.env_file))}   # MATTEFORGE_URL, MATTEFORGE_API_KEY and the rest
  matteforge order 64 --watch
"""
