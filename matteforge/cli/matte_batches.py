"""`matteforge matte-batches order | list | status | fetch | cancel | delete`."""

from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from matteforge.cli.connection import service
from matteforge.cli.matte import matte_options, options_of
from matteforge.cli.matte_batch import end_batch, fetch_results, watch_batch
from matteforge.cli.steps import Steps
from matteforge.client import MatteForge


@click.group("matte-batches")
def matte_batches() -> None:
    """Cut many pictures out by one job: a zip, or a folder of the object store."""


@matte_batches.command()
@click.argument(
    "archive", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--prefix", help="instead of a zip: a folder below incoming/TENANT/ of the store")
@matte_options
@click.option("--watch", is_flag=True, help="show progress until it has ended")
@service
def order(
    client: MatteForge,
    archive: Path | None,
    prefix: str | None,
    watch: bool,
    **options: str | int | None,
) -> None:
    """Order a batch from ARCHIVE, a zip of pictures. Prints its id."""
    if (archive is None) == (prefix is None):
        raise click.UsageError("give either a zip or --prefix")
    with Steps("MB sent") as steps:
        batch = client.matte_batches.order(
            archive, prefix=prefix, on_bytes=steps.megabytes, **options_of(options)
        )
    click.echo(batch.id)
    if watch:
        end_batch(client, watch_batch(client, batch.id))


@matte_batches.command("list")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@service
def list_(client: MatteForge, limit: int) -> None:
    """Batches, newest first."""
    names = ("state", "output", "made", "failed", "of", "ordered")
    table = Table(Column("id", no_wrap=True, min_width=27), *names, box=None)
    for batch in islice(client.matte_batches.list(), limit):
        counts = batch.counts
        numbers = (counts.made, counts.failed, "?" if counts.total is None else counts.total)
        ordered = f"{batch.created_at:%Y-%m-%d %H:%M}"
        table.add_row(batch.id, batch.state, batch.output, *map(str, numbers), ordered)
    Console().print(table)


@matte_batches.command()
@click.argument("batch_id")
@click.option("--watch", is_flag=True, help="show progress until it has ended")
@service
def status(client: MatteForge, batch_id: str, watch: bool) -> None:
    """Show how far a batch has got, and what is wrong with which picture."""
    batch = watch_batch(client, batch_id) if watch else client.matte_batches.get(batch_id)
    if batch.state.terminal:
        end_batch(client, batch)
    else:
        counts = batch.counts
        total = "?" if counts.total is None else counts.total
        click.echo(f"{batch.state}: {counts.made} made, {counts.failed} failed, of {total}")


@matte_batches.command()
@click.argument("batch_id")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="[default: BATCH_ID.zip]")
@service
def fetch(client: MatteForge, batch_id: str, out: Path | None) -> None:
    """Fetch the zip of a batch's results."""
    path = out or Path(f"{batch_id}.zip")
    fetch_results(client, batch_id, path)
    click.echo(path)


@matte_batches.command()
@click.argument("batch_id")
@service
def cancel(client: MatteForge, batch_id: str) -> None:
    """End a batch after the pictures under way; what is made stays."""
    client.matte_batches.cancel(batch_id)
    click.echo(f"{batch_id} will be cancelled")


@matte_batches.command()
@click.argument("batch_id")
@click.option("--yes", is_flag=True, help="do not ask")
@service
def delete(client: MatteForge, batch_id: str, yes: bool) -> None:
    """Delete a batch that has ended, with its results."""
    if not yes:
        made = client.matte_batches.get(batch_id).counts.made
        click.confirm(f"delete {batch_id} and its {made} results?", abort=True)
    client.matte_batches.delete(batch_id)
    click.echo(f"{batch_id} is deleted")
