"""`matteforge corpora add | list | show | delete`: where the data are; needs the settings of the
store."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.corpora import CorpusBook, CorpusManifest
from core.errors import MatteForgeError
from matteforge.schemas.corpora import CorpusKind, Split

if TYPE_CHECKING:
    from models.corpora.members import Source

KINDS = click.Choice([kind.value for kind in CorpusKind])


@click.group()
def corpora() -> None:
    """Add, list, show and delete what the networks learn from."""


@corpora.command()
@click.argument("name")
@click.argument("source")
@click.option("--kind", type=KINDS, default=CorpusKind.PAIRS.value, show_default=True)
@click.option("--tenant", help="Whose it is, if new. [default: default, which all may read]")
@click.option("--licence", help="Of the data, e.g. CC0-1.0. Needed unless --dry-run.")
@click.option(
    "--within", default="", help="Only what lies below this path inside it, e.g. afhq/train/cat/."
)
@click.option(
    "--slice", "part", help="Slice that all of it belongs to; default: each file's folder."
)
@click.option(
    "--max-side", default=1080, show_default=True, help="Longer pictures are brought down to this."
)
@click.option(
    "--premultiplied/--straight",
    default=None,
    help="Whether colours of cut-outs were multiplied by alpha; default: looked at.",
)
@click.option(
    "--private-addresses",
    is_flag=True,
    help="URLs may lead to this machine or its network; they are refused else.",
)
@click.option("--dry-run", is_flag=True, help="Store nothing: say what would be paired with what.")
@click.option(
    "--sheet",
    type=click.Path(path_type=Path),
    help="With --dry-run: draw the first samples here (image, alpha, cut-out), as PNG.",
)
def add(
    name: str,
    source: str,
    kind: str,
    tenant: str | None,
    licence: str | None,
    within: str,
    part: str | None,
    max_side: int,
    premultiplied: bool | None,
    private_addresses: bool,
    dry_run: bool,
    sheet: Path | None,
) -> None:
    """Check what SOURCE holds, split it by content, and store it; a corpus of this name grows.

    SOURCE: a folder, zip or tar in any layout of the how-to "Bring your own", s3://BUCKET/PREFIX,
    or a text file of URLs.
    """
    from workers.commands.sources import source_of

    found = source_of(source, private=private_addresses)
    options = {"within": within, "max_side": max_side, "premultiplied": premultiplied}
    if dry_run:
        from workers.commands.dry_run import tell

        try:
            tell(found, CorpusKind(kind), sheet=sheet, **options)  # type: ignore[arg-type]
        except MatteForgeError as error:
            raise click.ClickException(error.detail) from error
    elif sheet is not None:
        raise click.UsageError("--sheet belongs to --dry-run")
    elif licence is None:
        raise click.UsageError("--licence is needed: under which terms may the data be used?")
    else:
        more = {**options, "part": part, "tenant": tenant}
        add_and_tell(_book(), name, found, CorpusKind(kind), licence, **more)  # type: ignore[arg-type]


def add_and_tell(
    book: CorpusBook,
    name: str,
    source: "Path | Source",
    kind: CorpusKind,
    licence: str,
    within: str = "",
    part: str | None = None,
    max_side: int = 1080,
    premultiplied: bool | None = None,
    tenant: str | None = None,
) -> CorpusManifest:
    """Adds by `add_corpus` and prints the report."""
    from matteforge.cli.steps import Steps
    from models.corpora.reader import count_entries
    from models.kernels.compile_notice import announce_compilation
    from workers.cycle.corpora import add_corpus, told

    announce_compilation()
    try:
        with Steps("files", partial(count_entries, source, kind)) as steps:
            manifest, report = add_corpus(
                book,
                name,
                source,
                kind=kind,
                licence=licence,
                within=within,
                part=part,
                max_side=max_side,
                premultiplied=premultiplied,
                tenant=tenant,
                on_sample=steps.step,
            )
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error
    for rejection in report.rejections:
        click.echo(f"left out: {rejection.source}: {rejection.reason}", err=True)
    if report.notes:
        click.echo(f"read as: {told(report.notes)}", err=True)
    added = ", ".join(f"{report.added[split]} {split}" for split in Split)
    left_out = report.rejected.total()
    reasons = f" ({told(report.rejected)})" if left_out else ""
    click.echo(f"{name}: added {added}; {report.known} were there; left out {left_out}{reasons}")
    return manifest


@corpora.command("list")
def list_() -> None:
    """Names, kinds and sizes."""
    book = _book()
    for name in book.names():
        manifest = book.get(name)
        splits = " ".join(f"{split}={manifest.samples(split)}" for split in Split)
        click.echo(
            f"{name:24} {manifest.tenant:12} {manifest.kind.value:12} {splits}  {manifest.licence}"
        )


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
    from matteforge.cli.steps import Steps

    try:
        _book().delete(name, Steps("objects").each)
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error


def _book() -> CorpusBook:
    from workers.app import context

    return CorpusBook(context().catalog.store)
