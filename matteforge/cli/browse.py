"""`matteforge list | delete | samples | preview`: look at what was ordered."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from matteforge.cli.connection import output, service
from matteforge.cli.listing import print_list
from matteforge.cli.steps import Steps
from matteforge.client import MatteForge
from matteforge.folder import write_whole
from matteforge.schemas.datasets import DatasetOut, DatasetState
from matteforge.schemas.samples import RejectedList, SampleOut


@click.command("list")
@click.option("--state", type=click.Choice([state.value for state in DatasetState]))
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="may be repeated")
@click.option("--source", type=click.Choice(["generated", "rendered"]))
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@output
@service
def list_datasets(
    client: MatteForge,
    state: str | None,
    labels: tuple[str, ...],
    source: str | None,
    limit: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """List datasets, newest first."""
    wanted = dict(label.partition("=")[::2] for label in labels)

    def matches(dataset: DatasetOut) -> bool:
        tags = dataset.spec.labels
        return source in (None, dataset.spec.source) and wanted.items() <= tags.items()

    found = list(islice(filter(matches, client.list(state=state)), limit))
    print_list(found, lambda each: each.id, _print_datasets, as_json=as_json, quiet=quiet)


def _print_datasets(found: Sequence[DatasetOut]) -> None:
    names = ("state", "source", "samples", "ordered", "labels")
    table = Table(Column("id", no_wrap=True, min_width=27), *names, box=None)
    for dataset in found:
        counts = dataset.counts
        table.add_row(
            dataset.id,
            dataset.state.value,
            dataset.spec.source,
            f"{counts.accepted}/{counts.requested}",
            f"{dataset.timestamps[DatasetState.QUEUED]:%Y-%m-%d %H:%M}",
            ", ".join(f"{name}={value}" for name, value in sorted(dataset.spec.labels.items())),
        )
    Console().print(table)
    if not found:
        click.echo("no datasets; `matteforge order 64 --watch` makes one", err=True)


@click.command()
@click.argument("dataset_id")
@click.option("--yes", is_flag=True, help="do not ask")
@service
def delete(client: MatteForge, dataset_id: str, yes: bool) -> None:
    """Delete a dataset and its shards for good."""
    counts = client.get(dataset_id).counts
    if not yes:
        click.confirm(f"delete {dataset_id} and its {counts.accepted} samples?", abort=True)
    client.delete(dataset_id)
    click.echo(f"{dataset_id} is deleted")


@click.command()
@click.argument("dataset_id")
@click.option("--where", metavar="FILTER", help='e.g. "iou > 0.98 and coverage < 0.6"')
@click.option("--order", default="key", show_default=True, help="a column; -NAME: largest first")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@output
@service
def samples(
    client: MatteForge,
    dataset_id: str,
    where: str | None,
    order: str,
    limit: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """List samples of a dataset, filtered and sorted by score or attribute."""
    pages = client.samples(dataset_id, where=where, order=order, limit=limit)
    found = list(Steps("samples", limit, quiet=quiet or as_json).each(pages))
    print_list(found, lambda each: each.key, _print_samples, as_json=as_json, quiet=quiet)


def _print_samples(found: Sequence[SampleOut]) -> None:
    names = list(found[0].scores) if found else []
    attributes = list(found[0].attributes)[:4] if found else []
    table = Table(Column("key", no_wrap=True, min_width=11), "split", *names, *attributes, box=None)
    for sample in found:
        scores = [f"{sample.scores[name]:.4g}" if name in sample.scores else "" for name in names]
        tags = [sample.attributes.get(name, "") for name in attributes]
        table.add_row(sample.key, sample.split, *scores, *tags)
    Console().print(table)


@click.command()
@click.argument("dataset_id")
@click.option("--reason", help="only those that failed this criterion, e.g. mad")
@click.option(
    "-o", "--out", type=click.Path(file_okay=False, path_type=Path),
    help="also save their pictures into this folder, as REASON-NAME.webp",
)  # fmt: skip
@output
@service
def rejected(
    client: MatteForge,
    dataset_id: str,
    reason: str | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """List examples of candidates that were not delivered, and why."""
    found = client.rejected(dataset_id, reason=reason)
    if out is not None:
        _save_rejected(client, dataset_id, found, out)
    if as_json:
        click.echo(found.model_dump_json())
    elif quiet:
        click.echo("\n".join(example.name for example in found.items))
    else:
        counts = ", ".join(f"{number} by {name}" for name, number in found.rejected.items())
        click.echo(f"rejected: {counts or 'none'}")
        for example in found.items:
            scores = ", ".join(f"{name} {score:.4g}" for name, score in example.scores.items())
            limit = f" (threshold {example.threshold:.4g})" if example.threshold is not None else ""
            click.echo(f"{example.name}  {example.reason}{limit}  {scores}")


def _save_rejected(client: MatteForge, dataset_id: str, found: RejectedList, out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for example in Steps("pictures").each(found.items):
            picture = client.rejected_picture(dataset_id, example.name)
            write_whole(out / f"{example.reason}-{example.name}.webp", picture)
    except OSError as error:
        raise click.ClickException(f"{out}: {error.strerror or error}") from error


@click.command()
@click.argument("dataset_id")
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path),
    help="WebP, or PNG or JPEG where Pillow is installed  [default: ID.webp]",
)  # fmt: skip
@service
def preview(client: MatteForge, dataset_id: str, out: Path | None) -> None:
    """Save a picture of some samples; there from the first shard on."""
    path = out or Path(f"{dataset_id}.webp")
    content = client.preview(dataset_id)
    try:
        if path.suffix.lower() == ".webp":
            write_whole(path, content)
        else:
            _convert(content, path)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from error
    click.echo(path)


def _convert(content: bytes, path: Path) -> None:
    from matteforge.webdataset import save_picture

    try:
        save_picture(content, path)
    except (ModuleNotFoundError, ValueError) as error:
        raise click.ClickException(f"{error}; or name a .webp file") from error
