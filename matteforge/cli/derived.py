"""`matteforge subset | extend | regenerate`: datasets made from others."""

from pathlib import Path
from typing import Any

import click

from matteforge.cli.connection import output, service
from matteforge.cli.datasets import LABEL, WATCH, tell_ordered
from matteforge.cli.progress import end, watch
from matteforge.client import MatteForge
from matteforge.schemas.datasets import DatasetState


@click.command()
@click.argument("dataset_id")
@click.option("--where", metavar="FILTER", help='e.g. "iou > 0.98 and coverage < 0.6"')
@click.option("--order", help="which come first where --limit cuts; -NAME: largest first")
@click.option("--limit", type=click.IntRange(1), help="samples at most")
@click.option(
    "--keys", "keys_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="a file of keys, one a line, instead of a filter",
)  # fmt: skip
@click.option("--shard-size", type=click.IntRange(1), help="samples a shard  [default: as before]")
@LABEL
@WATCH
@output
@service
def subset(
    client: MatteForge,
    dataset_id: str,
    keys_file: Path | None,
    watching: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Order a part of a dataset, by filter or by keys, as one of its own. Prints its id."""
    keys = keys_file.read_text("utf-8").split() if keys_file else None
    made = client.subset(dataset_id, keys=keys, **options)
    tell_ordered(client, made, watching=watching, as_json=as_json, quiet=quiet)


@click.command()
@click.argument("dataset_id")
@click.argument("count", type=click.IntRange(1))
@LABEL
@WATCH
@output
@service
def extend(
    client: MatteForge,
    dataset_id: str,
    count: int,
    labels: dict[str, str],
    watching: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Order COUNT more samples of a dataset, as one of its own. Prints its id."""
    made = client.extend(dataset_id, count, labels=labels)
    tell_ordered(client, made, watching=watching, as_json=as_json, quiet=quiet)


@click.command()
@click.argument("dataset_id")
@click.option("--keep", is_flag=True, help="keep the second one also when it is the same")
@output
@service
def regenerate(client: MatteForge, dataset_id: str, keep: bool, as_json: bool, quiet: bool) -> None:
    """Make a dataset once more and compare all bytes. Fails when one differs."""
    made = client.regenerate(dataset_id)
    ended = watch(client, made.id, quiet=quiet or as_json)
    if ended.state is not DatasetState.COMPLETED:
        end(ended, as_json=as_json, quiet=quiet)
        return
    found = client.comparison(made.id)
    if found.identical and not keep:
        client.delete(made.id)
    if as_json:
        click.echo(found.model_dump_json())
    elif found.identical:
        click.echo(f"{dataset_id}: all {found.shards_compared} shards came out the same")
    else:
        names = ", ".join(found.different[:5]) or "some are missing"
        click.echo(f"{dataset_id}: other bytes in {made.id}: {names}", err=True)
    if not found.identical:
        raise click.exceptions.Exit(1)
