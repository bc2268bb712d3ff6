"""`matteforge order | status | download | cancel`."""

import json
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from matteforge.calls import OrderOptions
from matteforge.client import MatteForge
from matteforge.download import Progress as DownloadProgress
from matteforge.errors import MatteForgeError
from matteforge.schemas.attributes import MEMBERS, Framing
from matteforge.schemas.criteria import BY_NAME
from matteforge.schemas.datasets import DatasetOut, DatasetState

Command = TypeVar("Command", bound=Callable[..., Any])
DEFAULT_URL = "http://127.0.0.1:8000"


def service(command: Callable[..., None]) -> Callable[..., None]:
    """Adds --url and --api-key, hands over the client, and turns its errors into messages."""

    @click.option(
        "--url", envvar="MATTEFORGE_URL", show_envvar=True, default=DEFAULT_URL, show_default=True
    )
    @click.option("--api-key", envvar="MATTEFORGE_API_KEY", show_envvar=True, required=True)
    @wraps(command)
    def connected(url: str, api_key: str, **options: Any) -> None:
        try:
            with MatteForge(url, api_key) as client:
                command(client, **options)
        except MatteForgeError as error:
            raise click.ClickException(str(error)) from error

    return connected


def _pairs(
    kind: Callable[[str], Any],
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], dict[str, Any]]:
    def parse(
        context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
    ) -> dict[str, Any]:
        pairs = {}
        for value in values:
            name, separator, text = value.partition("=")
            try:
                pairs[name] = kind(text)
            except ValueError:
                separator = ""
            if not separator:
                raise click.BadParameter(f"{value!r} is not NAME=VALUE")
        return pairs

    return parse


def _json_object(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> dict[str, Any]:
    try:
        found = json.loads(value or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise click.BadParameter(f"{value!r} is no JSON object")
    return found


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> list[str]:
    return [name.strip() for name in (value or "").split(",") if name.strip()]


@click.command()
@click.argument("count", type=int)
@click.option("--model", help="name, name@alias or name@sha256:DIGEST  [default: humans]")
@click.option("--seed", type=int, help="drawn when left out")
@click.option(
    "--psi",
    "truncation_psi",
    type=float,
    help="truncation: variety against typicality  [default: 0.7]",
)
@click.option("--shard-size", type=int, help="samples a shard  [default: 1000]")
@click.option("--image-format", type=click.Choice(["png", "webp", "jpeg"]), help="[default: png]")
@click.option(
    "--alpha-bits",
    type=click.Choice(["8", "16"]),
    callback=lambda c, p, v: v and int(v),
    help="[default: 8]",
)
@click.option(
    "--filter",
    "filter",
    multiple=True,
    callback=_pairs(float),
    metavar="CRITERION=THRESHOLD",
    help=f"may be repeated; criteria: {', '.join(BY_NAME)}",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    callback=_pairs(str),
    metavar="NAME=VALUE",
    help="may be repeated",
)
@click.option(
    "--source",
    type=click.Choice(["generated", "rendered"]),
    help="StyleMatteGAN or rendered people  [default: generated]",
)
@click.option("--size", type=int, help="rendered: pixels a side, 64 to 1024  [default: 256]")
@click.option(
    "--framing",
    type=click.Choice(get_args(Framing)),
    help="rendered: heads anywhere or in one place  [default: free]",
)
@click.option(
    "--attributes",
    callback=_json_object,
    metavar="JSON",
    help="""rendered: shares, e.g. '{"glasses": 0.3}'""",
)
@click.option(
    "--members",
    callback=_names,
    metavar="NAME,…",
    help=f"rendered: ground truth beside alpha; {', '.join(MEMBERS)}",
)
@click.option("--idempotency-key", help="repeating an order with the same key orders once")
@click.option("--wait", "--watch", "watch", is_flag=True, help="show progress until it has ended")
@service
def order(
    client: MatteForge, count: int, idempotency_key: str | None, watch: bool, **options: Any
) -> None:
    """Order COUNT image-alpha pairs. Prints the dataset's id."""
    given: OrderOptions = {
        name: value for name, value in options.items() if value not in (None, {}, [])
    }  # type: ignore[assignment]
    dataset = client.order(count, idempotency_key=idempotency_key, **given)
    click.echo(dataset.id)
    if watch:
        _finish(_watch(client, dataset.id))


@click.command()
@click.argument("dataset_id")
@click.option("--watch", is_flag=True, help="show progress until it has ended")
@service
def status(client: MatteForge, dataset_id: str, watch: bool) -> None:
    """Show how far a dataset has got."""
    if watch:
        _finish(_watch(client, dataset_id))
    else:
        Console().print(_table(client.get(dataset_id)))


@click.command()
@click.argument("dataset_id")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="folder  [default: the dataset's id]",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=4, show_default=True, help="parallel downloads"
)
@service
def download(client: MatteForge, dataset_id: str, out: Path | None, workers: int) -> None:
    """Download what is committed; repeated, it goes on where it broke off."""
    target = out or Path(dataset_id)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bars:
        bar = bars.add_task(dataset_id, total=None)

        def show(progress: DownloadProgress) -> None:
            shards = f"shard {progress.shards_done}/{progress.shards_total}"
            bars.update(
                bar, description=shards, completed=progress.bytes_done, total=progress.bytes_total
            )

        paths = client.download(dataset_id, target, workers=workers, on_progress=show)
    click.echo(f"{len(paths)} shards, sha256 checked, in {target}{os.sep}")
    dataset = client.get(dataset_id)
    if not dataset.state.terminal:
        click.echo(f"{dataset_id} is still {dataset.state}: repeat this for the rest", err=True)


@click.command()
@click.argument("dataset_id")
@service
def cancel(client: MatteForge, dataset_id: str) -> None:
    """Stop a dataset; its committed shards stay downloadable."""
    dataset = client.cancel(dataset_id)
    click.echo(f"{dataset.id} {'is cancelled' if dataset.state.terminal else 'will be cancelled'}")


def _watch(client: MatteForge, dataset_id: str) -> DatasetOut:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        bar = bars.add_task("queued", total=None)
        return client.wait(dataset_id, lambda dataset: _advance(bars, bar, dataset))


def _advance(bars: Progress, bar: TaskID, dataset: DatasetOut) -> None:
    counts = dataset.counts
    pace = f" {dataset.rate:.2f}/s" if dataset.rate else ""
    done = f"{dataset.state}: {counts.shards_done}/{counts.shards_total} shards{pace}"
    bars.update(bar, description=done, completed=counts.accepted, total=counts.requested)


def _finish(dataset: DatasetOut) -> None:
    Console(stderr=True).print(_table(dataset))
    if dataset.state is not DatasetState.COMPLETED:
        raise click.exceptions.Exit(1)


def _table(dataset: DatasetOut) -> Table:
    counts = dataset.counts
    rejected = ", ".join(f"{reason} {number}" for reason, number in sorted(counts.rejected.items()))
    rows = {
        "id": dataset.id,
        "state": f"{dataset.state}{' (cancel requested)' if dataset.cancel_requested else ''}",
        "since": f"{dataset.timestamps[dataset.state]:%Y-%m-%d %H:%M:%S %Z}",
        "samples": f"{counts.accepted} of {counts.requested}, {counts.attempted} attempted",
        "rejected": rejected or "none",
        "shards": f"{counts.shards_done} of {counts.shards_total}",
        "pace": f"{dataset.rate:.2f} samples/s" if dataset.rate else "unknown",
        "left": f"{dataset.eta_s:.0f} s" if dataset.eta_s is not None else "",
        "model": f"{dataset.spec.model} = {dataset.bundle}",
        "seed": str(dataset.spec.seed),
        "error": f"{dataset.error.detail} [{dataset.error.code}]" if dataset.error else "",
    }
    table = Table(show_header=False, box=None)
    for name, value in rows.items():
        if value:
            table.add_row(name, Text(value))
    return table
