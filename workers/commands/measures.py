"""`matteforge models calibrate` and `matteforge evaluate`: a StyleMatte on pairs whose alpha is
exact."""

import json
from collections import Counter
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from core.errors import MatteForgeError
from matteforge.cli.steps import Steps
from matteforge.schemas.corpora import CorpusKind
from workers.commands.weights import network_file

if TYPE_CHECKING:
    from models.corpora.members import Source
    from models.corpora.pairing import Entry

EXISTING = click.Path(path_type=Path, exists=True, dir_okay=False)
NEW = click.Path(path_type=Path)


@click.command()
@click.argument("stylematte", type=EXISTING)
@click.argument("sources", nargs=-1, required=True)
@click.option("--resolution", type=int, required=True, help="The generator's, in pixels.")
@click.option(
    "--aligned",
    is_flag=True,
    help="Frame heads as the generator's corpus does, over smooth scenes.",
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
    sources: tuple[str, ...],
    resolution: int,
    aligned: bool,
    backgrounds: int,
    seed: int,
    percentile: float,
    out: Path | None,
) -> None:
    """Thresholds of the filter from held-out pairs with exact alpha.

    SOURCES: folders, zips and tars in any layout that `corpora add` takes, s3://BUCKET/PREFIX, or
    text files of URLs.
    """
    from models.kernels.compile_notice import announce_compilation
    from models.networks.checkpoints.load import load_stylematte
    from workers.commands.sources import source_of
    from workers.generate import calibration

    announce_compilation()
    found, refused = [source_of(each) for each in sources], Counter[str]()

    def left_out(entry: "Entry", reason: str) -> None:
        refused[reason] += 1

    try:
        read = calibration.aligned_pairs if aligned else calibration.exact_pairs
        with Steps("files", partial(_count, found)) as steps:
            pairs = read(
                found,
                resolution=resolution,
                backgrounds=backgrounds,
                seed=seed,
                on_entry=steps.step,
                on_refused=left_out,
            )
            scores = list(calibration.score_pairs(load_stylematte(stylematte), pairs))
    except (MatteForgeError, FileNotFoundError) as error:
        raise click.ClickException(getattr(error, "detail", str(error))) from error
    if refused:
        click.echo(f"left out: {_told(refused)}", err=True)
    if not scores:
        raise click.ClickException(f"no pairs of picture and alpha in {', '.join(sources)}")
    thresholds = {
        name: round(value, 6)
        for name, value in calibration.calibrate_thresholds(scores, percentile=percentile).items()
    }
    click.echo(json.dumps({"pairs": len(scores), "thresholds": thresholds}, indent=1))
    if out is not None:
        out.write_text(json.dumps(thresholds, indent=1) + "\n")


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
    CORPUS: pairs from anywhere that `corpora add` takes them (a folder, zip or tar,
    s3://BUCKET/PREFIX, a text file of URLs), or the name of a stored corpus, of which SPLIT is
    used.
    """
    from models.kernels.compile_notice import announce_compilation
    from models.metrics.evaluate import evaluate_corpus
    from workers.bundles import STYLEMATTE_FILE

    announce_compilation()
    with TemporaryDirectory(prefix="matteforge-evaluate-") as folder:
        try:
            checkpoint = network_file(model, STYLEMATTE_FILE, Path(folder))
            sources = _sources(corpus, split, Path(folder))
            with Steps("pairs", partial(_count, sources)) as steps:
                figures = evaluate_corpus(
                    checkpoint, sources, worst=worst, out_dir=out, on_pair=steps.step
                )
        except MatteForgeError as error:
            raise click.ClickException(error.detail) from error
    click.echo(json.dumps(figures, indent=1) if as_json else _table(figures))


def _count(sources: "list[Path | Source]") -> int | None:
    """How many entries there are; None where one of them can't tell without being read."""
    from models.corpora.reader import count_entries

    counts = [count_entries(source, CorpusKind.PAIRS) for source in sources]
    return sum(count for count in counts if count is not None) if None not in counts else None


def _sources(corpus: str, split: str, folder: Path) -> "list[Path | Source]":
    from core.corpora import CorpusBook
    from matteforge.schemas.corpora import Split
    from workers.app import context
    from workers.commands.sources import source_of
    from workers.cycle.fetch_corpus import fetch_split

    if corpus.startswith("s3://") or Path(corpus).exists():
        return [source_of(corpus)]
    book = CorpusBook(context().catalog.store)
    follow = Steps("shards fetched").each
    return [*fetch_split(book, book.get(corpus), Split(split), folder / "corpus", follow)]


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


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in counts.most_common())
