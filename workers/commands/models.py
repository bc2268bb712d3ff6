"""`matteforge models …`, `train …`, `recover`. Torch is imported when a command
runs."""

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click

from matteforge.cli.steps import Steps
from matteforge.schemas.orders import MAX_PSI
from workers.commands.measures import calibrate, evaluate
from workers.commands.versions import history, promote, rollback
from workers.commands.weights import export, import_

if TYPE_CHECKING:
    from core.registry import Registry

__all__ = ["evaluate", "models", "recover", "train"]

EXISTING = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
NEW = click.Path(path_type=Path)


@click.group()
def models() -> None:
    """Import, calibrate, bundle, publish, list, promote and roll back models."""


for command in (import_, export, calibrate, promote, rollback, history):
    models.add_command(command)


@models.command("list")
def list_() -> None:
    """Registered models, their aliases and digests."""
    registry = _registry()
    for name in registry.names():
        for alias, digest in registry.versions(name):
            click.echo(f"{name}@{alias} {digest} {registry.bundle(digest).resolution} px")


@models.command()
@click.argument("folder", type=NEW)
@click.option("--name", default="humans", show_default=True)
@click.option("--generator", type=EXISTING, required=True)
@click.option("--stylematte", type=EXISTING, required=True)
@click.option(
    "--thresholds", type=EXISTING, required=True, help="JSON of `models calibrate --out`."
)
@click.option("--card", type=EXISTING, help="JSON: data, kimg, seeds, commands, figures.")
@click.option(
    "--psi", type=click.FloatRange(0, MAX_PSI, min_open=True),
    help="Truncation of orders that name none.  [default: 0.7]",
)  # fmt: skip
@click.option("--half/--full", default=True, show_default=True, help="Large tensors as float16.")
def bundle(
    folder: Path,
    name: str,
    generator: Path,
    stylematte: Path,
    thresholds: Path,
    card: Path | None,
    psi: float | None,
    half: bool,
) -> None:
    """Assemble a bundle folder from two checkpoints."""
    from workers.bundles import ASSEMBLED_IN, assemble

    with Steps("parts", ASSEMBLED_IN) as steps:
        made = assemble(
            folder,
            name=name,
            generator=generator,
            stylematte=stylematte,
            thresholds=json.loads(thresholds.read_text()),
            card=json.loads(card.read_text()) if card else None,
            truncation_psi=psi,
            half=half,
            on_part=steps.part,
        )
    click.echo(f"{made.name} {made.digest}")


@models.command()
@click.argument("folder", type=FOLDER, required=False)
@click.option("--alias", default="champion", show_default=True)
@click.option("--tenant", help="Whose it is, if new. [default: default, which all may read]")
def publish(folder: Path | None, alias: str, tenant: str | None) -> None:
    """Check a bundle folder (default: the shipped one), upload it and point NAME@ALIAS to it.

    Both networks are loaded and sampled from once; what could not be ordered from is refused.
    """
    from core.errors import MatteForgeError
    from models import shipped_bundle
    from workers.bundles import CHECKED_IN, check_bundle

    chosen = folder or shipped_bundle()
    try:
        with Steps("parts", CHECKED_IN + sum(1 for _ in chosen.iterdir())) as steps:
            check_bundle(chosen, steps.part)
            made = _registry().publish(chosen, alias=alias, tenant=tenant, on_part=steps.part)
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error
    click.echo(f"{made.name}@{alias} {made.digest}")


@click.command()
def recover() -> None:
    """Rebuild Redis from S3 and ring for what is missing. Safe at any time, any number of times."""
    from core.messages import Reconcile
    from workers.app import context
    from workers.control.reconcile import recover as rebuild

    click.echo(f"{rebuild(context(), Steps('datasets').each)} datasets")
    context().doorbell.ring(Reconcile())


class TrainingCommands(click.Group):
    """Training programs, each a click command in models/training; imported when named."""

    programs: ClassVar = {
        "matting": "models.training.matting.train",
        "gan": "models.training.gan.adversarial",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.programs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.programs:
            return None
        command: click.Command = import_module(self.programs[cmd_name]).main
        return command


@click.command(cls=TrainingCommands)
def train() -> None:
    """Train StyleMatte or StyleMatteGAN."""


def _registry() -> "Registry":
    from core.registry import Registry
    from workers.app import context

    return Registry(context().catalog.store)
