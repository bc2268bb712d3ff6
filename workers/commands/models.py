"""`matteforge models …`, `evaluate`, `train …`, `recover`. Torch is imported when a command
runs."""

import json
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

import click

from workers.commands.versions import history, promote, rollback
from workers.commands.weights import export, import_, network_file

if TYPE_CHECKING:
    from core.registry import Registry

EXISTING = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
NEW = click.Path(path_type=Path)


@click.group()
def models() -> None:
    """Import, calibrate, bundle, publish, list, promote and roll back models."""


for command in (import_, export, promote, rollback, history):
    models.add_command(command)


@models.command("list")
def list_() -> None:
    """Registered models, their aliases and digests."""
    registry = _registry()
    for name in registry.names():
        for alias, digest in registry.versions(name):
            click.echo(f"{name}@{alias} {digest} {registry.bundle(digest).resolution} px")


@models.command()
@click.argument("stylematte", type=EXISTING)
@click.argument("tars", type=EXISTING, nargs=-1, required=True)
@click.option("--resolution", type=int, required=True, help="The generator's, in pixels.")
@click.option(
    "--aligned",
    is_flag=True,
    help="Frame KEY.rgba.png as the generator's corpus is, over smooth scenes.",
)
@click.option(
    "--backgrounds", default=4, show_default=True, help="Rendered scenes behind each RGBA portrait."
)
@click.option("--seed", default=0, show_default=True, help="Of the backgrounds.")
@click.option(
    "--percentile", default=99.0, show_default=True, help="% of pairs that pass each criterion."
)
@click.option("--out", type=NEW, help="Write the thresholds here as JSON.")
def calibrate(
    stylematte: Path,
    tars: tuple[Path, ...],
    resolution: int,
    aligned: bool,
    backgrounds: int,
    seed: int,
    percentile: float,
    out: Path | None,
) -> None:
    """Thresholds of the filter from held-out pairs with exact alpha: KEY.rgba.png, or KEY.image.png
    + KEY.alpha.png."""
    from models.networks.checkpoints.load import load_stylematte
    from workers.generate import calibration
    from workers.generate.calibration import calibrate_thresholds

    source = calibration.aligned_pairs if aligned else calibration.exact_pairs
    pairs = source(tars, resolution=resolution, backgrounds=backgrounds, seed=seed)
    scores = list(calibration.score_pairs(load_stylematte(stylematte), pairs))
    thresholds = {
        name: round(value, 6)
        for name, value in calibrate_thresholds(scores, percentile=percentile).items()
    }
    click.echo(json.dumps({"pairs": len(scores), "thresholds": thresholds}, indent=1))
    if out is not None:
        out.write_text(json.dumps(thresholds, indent=1) + "\n")


@models.command()
@click.argument("folder", type=NEW)
@click.option("--name", default="humans", show_default=True)
@click.option("--generator", type=EXISTING, required=True)
@click.option("--stylematte", type=EXISTING, required=True)
@click.option(
    "--thresholds", type=EXISTING, required=True, help="JSON of `models calibrate --out`."
)
@click.option("--card", type=EXISTING, help="JSON: data, kimg, seeds, commands, figures.")
@click.option("--half/--full", default=True, show_default=True, help="Large tensors as float16.")
def bundle(
    folder: Path,
    name: str,
    generator: Path,
    stylematte: Path,
    thresholds: Path,
    card: Path | None,
    half: bool,
) -> None:
    """Assemble a bundle folder from two checkpoints."""
    from workers.bundles import assemble

    made = assemble(
        folder,
        name=name,
        generator=generator,
        stylematte=stylematte,
        thresholds=json.loads(thresholds.read_text()),
        card=json.loads(card.read_text()) if card else None,
        half=half,
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
    from workers.bundles import check_bundle

    chosen = folder or shipped_bundle()
    try:
        check_bundle(chosen)
        made = _registry().publish(chosen, alias=alias, tenant=tenant)
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error
    click.echo(f"{made.name}@{alias} {made.digest}")


@click.command()
@click.argument("model")
@click.argument("corpus")
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True
)
@click.option("--worst", default=0, show_default=True, help="How many of the worst pairs to list.")
@click.option("--out", type=NEW, help="Folder for pictures of them: image, prediction, truth.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    model: str, corpus: str, split: str, worst: int, out: Path | None, as_json: bool
) -> None:
    """SAD, MSE, MAD, Grad, Conn (P3M convention) and IoU of a StyleMatte, also over the trimap's
    unknown band.

    MODEL: a checkpoint, a bundle's folder, or a registered model: NAME, NAME@ALIAS, a digest.
    CORPUS: a folder, zip or tar of pairs in any layout that `corpora add` takes, or the name of a
    stored corpus, of which SPLIT is used.
    """
    from core.errors import MatteForgeError
    from models.metrics.evaluate import evaluate_corpus

    with TemporaryDirectory(prefix="matteforge-evaluate-") as folder:
        try:
            checkpoint, sources = (
                _stylematte(model, Path(folder)),
                _sources(corpus, split, Path(folder)),
            )
            figures = evaluate_corpus(checkpoint, sources, worst=worst, out_dir=out)
        except MatteForgeError as error:
            raise click.ClickException(error.detail) from error
    click.echo(json.dumps(figures, indent=1) if as_json else _table(figures))


def _stylematte(model: str, folder: Path) -> Path:
    from workers.bundles import STYLEMATTE_FILE

    return network_file(model, STYLEMATTE_FILE, folder)


def _sources(corpus: str, split: str, folder: Path) -> list[Path]:
    from core.corpora import CorpusBook
    from matteforge.schemas.corpora import Split
    from workers.app import context
    from workers.cycle.fetch_corpus import fetch_split

    if (path := Path(corpus)).exists():
        return [path]
    book = CorpusBook(context().catalog.store)
    return fetch_split(book, book.get(corpus), Split(split), folder / "corpus")


def _table(figures: dict[str, Any]) -> str:
    rows = [f"{name:14} {value:.5f}" for name, value in figures.items() if isinstance(value, float)]
    worst = [f"worst          {pair['key']}  mad {pair['mad']:.5f}" for pair in figures["worst"]]
    return "\n".join(
        [
            *rows,
            f"{'pairs':14} {figures['count']}",
            f"{'checkpoint':14} {figures['digest']}",
            *worst,
        ]
    )


@click.command()
def recover() -> None:
    """Rebuild Redis from S3 and ring for what is missing. Safe at any time, any number of times."""
    from core.messages import Reconcile
    from workers.app import context
    from workers.control.reconcile import recover as rebuild

    click.echo(f"{rebuild(context())} datasets")
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
