"""`matteforge corpora add | list | show | delete`: where the data are; needs the settings of the
store."""

from pathlib import Path

import click

from core.corpora import CorpusBook, CorpusManifest
from core.errors import MatteForgeError
from matteforge.schemas.corpora import CorpusKind, Split

KINDS = click.Choice([kind.value for kind in CorpusKind])


@click.group()
def corpora() -> None:
    """Add, list, show and delete what the networks learn from."""


@corpora.command()
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--kind", type=KINDS, default=CorpusKind.PAIRS.value, show_default=True)
@click.option("--licence", required=True, help="Of the data, e.g. CC0-1.0.")
@click.option(
    "--within", default="", help="Only what lies below this path inside PATH, e.g. afhq/train/cat/."
)
@click.option(
    "--slice", "part", help="Slice that all of it belongs to; default: each file's folder."
)
@click.option(
    "--max-side", default=1080, show_default=True, help="Longer pictures are brought down to this."
)
def add(
    name: str, path: Path, kind: str, licence: str, within: str, part: str | None, max_side: int
) -> None:
    """Check what PATH holds, split it by content, and store it; a corpus of this name grows.

    PATH: a folder of images and alphas (two folders, or NAME.image.* beside NAME.alpha.*; P3M-10k
    and AM-2k as they come), a folder of RGBA pictures, of pictures without alpha (FFHQ, AFHQv2,
    BG-20k; also zipped), or WebDataset tars.
    """
    add_and_tell(_book(), name, path, CorpusKind(kind), licence, within, part, max_side)


def add_and_tell(
    book: CorpusBook,
    name: str,
    path: Path,
    kind: CorpusKind,
    licence: str,
    within: str = "",
    part: str | None = None,
    max_side: int = 1080,
) -> CorpusManifest:
    """Adds by `add_corpus` and prints the report."""
    from workers.cycle.corpora import add_corpus

    def progress(number: int) -> None:
        if number and number % 100 == 0:
            click.echo(f"{number} files", err=True)

    try:
        manifest, report = add_corpus(
            book,
            name,
            path,
            kind=kind,
            licence=licence,
            within=within,
            part=part,
            max_side=max_side,
            on_sample=progress,
        )
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error
    for rejection in report.rejections:
        click.echo(f"left out: {rejection.source}: {rejection.reason}", err=True)
    added = ", ".join(f"{report.added[split]} {split}" for split in Split)
    click.echo(
        f"{name}: added {added}; {report.known} were there; left out {report.rejected.total()}"
    )
    return manifest


@corpora.command("list")
def list_() -> None:
    """Names, kinds and sizes."""
    book = _book()
    for name in book.names():
        manifest = book.get(name)
        splits = " ".join(f"{split}={manifest.samples(split)}" for split in Split)
        click.echo(f"{name:24} {manifest.kind.value:12} {splits}  {manifest.licence}")


@corpora.command()
@click.argument("name")
def show(name: str) -> None:
    """The manifest as JSON."""
    try:
        click.echo(_book().get(name).model_dump_json(indent=1))
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error


@corpora.command()
@click.argument("name")
@click.confirmation_option(
    prompt="Runs that have pinned it and have not fetched it yet will fail. Delete?"
)
def delete(name: str) -> None:
    """Remove a corpus from the store."""
    try:
        _book().delete(name)
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error


def _book() -> CorpusBook:
    from workers.app import context

    return CorpusBook(context().catalog.store)
