"""The `matteforge` command: one group, its commands imported when they are named.

`matteforge --help` needs click alone; a command needs what its module needs.
"""

import errno
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

# name -> (module:command, what it does)
COMMANDS = {
    "up": ("deploy.up:up", "Run the whole service on this machine until Ctrl-C."),
    "demo": (
        "deploy.demo:demo",
        "Start everything, order portraits, download, check and draw them.",
    ),
    "serve": ("deploy.serve:serve", "Run one process of the service in the foreground."),
    "order": ("matteforge.cli.datasets:order", "Order portraits."),
    "status": ("matteforge.cli.datasets:status", "Show how far a dataset has got."),
    "download": ("matteforge.cli.download:download", "Fetch the shards of a dataset, checked."),
    "list": ("matteforge.cli.browse:list_datasets", "List datasets, newest first."),
    "show": ("matteforge.cli.datasets:status", "The same as status."),
    "samples": ("matteforge.cli.browse:samples", "List samples, filtered and sorted."),
    "subset": ("matteforge.cli.derived:subset", "Order a part of a dataset."),
    "extend": ("matteforge.cli.derived:extend", "Order more of a dataset."),
    "regenerate": (
        "matteforge.cli.derived:regenerate",
        "Make a dataset once more, and compare all bytes.",
    ),
    "rejected": (
        "matteforge.cli.browse:rejected",
        "List examples of what the filter rejected, and why.",
    ),
    "preview": ("matteforge.cli.browse:preview", "Save a picture of some samples."),
    "delete": ("matteforge.cli.browse:delete", "Delete a dataset and its shards for good."),
    "expire": ("matteforge.cli.expiry:expire", "Change when a dataset is deleted by itself."),
    "cancel": ("matteforge.cli.datasets:cancel", "Stop a dataset; its committed shards stay."),
    "matte": ("matteforge.cli.matte:matte", "Cut subjects out of your own pictures."),
    "matte-batches": (
        "matteforge.cli.matte_batches:matte_batches",
        "Cut many pictures out by one job: order, list, status, fetch, cancel, delete.",
    ),
    "models": (
        "workers.commands.models:models",
        "Import, calibrate, bundle, publish, list, promote and roll back models.",
    ),
    "corpora": (
        "workers.commands.corpora:corpora",
        "Add, list, show and delete what the networks learn from.",
    ),
    "cycle": (
        "deploy.cycle:cycle",
        "One turn of the training cycle on this machine, from corpora to promotion.",
    ),
    "training": (
        "matteforge.cli.training:training",
        "Start, follow and cancel training runs of a service.",
    ),
    "schedules": ("matteforge.cli.schedules:schedules", "Train a domain again and again."),
    "webhooks": (
        "matteforge.cli.webhooks:webhooks",
        "Signed messages that tell when a dataset ends.",
    ),
    "audit": ("matteforge.cli.audit:audit", "Show who changed what, on a service."),
    "keys": ("matteforge.cli.keys:keys", "Make, list, rotate and revoke API keys."),
    "evaluate": ("workers.commands.models:evaluate", "Measure a StyleMatte on held-out pairs."),
    "render": ("models.renderer.cli:render", "Render portraits from nothing, with exact alpha."),
    "train": ("workers.commands.models:train", "Train StyleMatte or StyleMatteGAN."),
    "sample": (
        "workers.commands.sample:sample",
        "Draw a generator's portraits: sheets, walks, style mixing.",
    ),
    "bench": ("workers.bench.cli:bench", "Measure this machine, processor or GPU, in ratios."),
    "recover": ("workers.commands.models:recover", "Rebuild Redis from S3."),
    "gc": ("workers.commands.gc:gc", "List or remove what nobody needs any more."),
    "fsck": (
        "workers.commands.fsck:fsck",
        "Check every stored object; mend what can be made anew.",
    ),
}


OPERATORS = ("workers.commands.", "models.", "deploy.serve", "deploy.cycle")
"""Modules whose commands work with the stores and the data directory of the service that runs
here."""


def application_is_here() -> bool:
    """True in a checkout or an image of MatteForge. A project of the user's own may well have a
    package called `deploy`, so the packages are known by their neighbours, and not imported."""
    spec = find_spec("deploy")
    root = Path(spec.origin).parents[1] if spec and spec.origin else None
    return root is not None and all(
        (root / file).is_file() for file in ("workers/app.py", "service/app.py", "core/ports.py")
    )


FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def one_line(error: Exception) -> str | None:
    """What a person is told of an error that no command expected: of one of the application's own,
    or of a full disk below the output. None: it is a bug, and wants its traceback."""
    ours = sys.modules.get("core.errors")  # not there where the client is alone
    if ours is not None and isinstance(error, ours.MatteForgeError):
        return str(error.detail)
    if isinstance(error, OSError) and error.errno in FULL:
        return f"{error.strerror}: {error.filename or 'the output'} can't be written"
    return None


class LazyGroup(click.Group):
    """A group whose commands are imported when they are named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        if not module.startswith("matteforge.") and not application_is_here():
            raise click.ClickException(
                f"`matteforge {cmd_name}` needs the whole application: clone the repository, run "
                "`make setup` there, and use its .venv/bin/matteforge; this is the client alone"
            )
        try:
            if module.startswith(OPERATORS):
                import_module("matteforge.cli.connection").adopt_running()
            command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"`matteforge {cmd_name}` needs {error.name}, which is not installed"
            ) from error
        assert isinstance(command, click.Command)
        return command

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            return super().main(*args, **options)
        except Exception as error:
            if line := one_line(error):
                click.ClickException(line).show()
                sys.exit(1)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in COMMANDS.items()])


@click.command(cls=LazyGroup)
@click.version_option(package_name="matteforge")
def main() -> None:
    """Synthetic training data for portrait matting."""
