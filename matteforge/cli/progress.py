"""How a dataset is shown in a terminal, while it is made and after."""

import sys
from collections.abc import Callable
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from matteforge.cli.connection import INTERRUPTED
from matteforge.client import MatteForge
from matteforge.schemas.datasets import DatasetOut, DatasetState

T = TypeVar("T")


def watch(client: MatteForge, dataset_id: str, *, quiet: bool = False) -> DatasetOut:
    """Wait until a dataset has ended, with a bar that counts accepted samples."""
    goes_on = (
        f"{dataset_id} goes on: `matteforge status {dataset_id} --watch` follows it again, "
        f"`matteforge cancel {dataset_id}` stops it"
    )
    return with_bar(lambda heard: client.wait(dataset_id, heard), _advance, goes_on, quiet=quiet)


def with_bar(
    wait: Callable[[Callable[[T], None]], T],
    advance: Callable[[Progress, TaskID, T], None],
    goes_on: str,
    *,
    quiet: bool = False,
) -> T:
    """What `wait` returns; meanwhile a bar, which `advance` moves whenever `wait` hears something.
    Ctrl-C ends the watching alone, and `goes_on` says so."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(
            *columns, console=Console(stderr=True), disable=quiet,
            redirect_stdout=sys.stdout.isatty(),
        ) as bars:  # fmt: skip
            bar = bars.add_task("queued", total=None)
            return wait(lambda now: advance(bars, bar, now))
    except KeyboardInterrupt:
        click.echo(goes_on, err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


def _advance(bars: Progress, bar: TaskID, dataset: DatasetOut) -> None:
    counts = dataset.counts
    pace = f" {dataset.rate:.2f}/s" if dataset.rate else ""
    why = f" ({dataset.waiting.reason})" if dataset.waiting else ""
    done = f"{dataset.state}{why}: {counts.shards_done}/{counts.shards_total} shards{pace}"
    accepted = counts.accepted + dataset.in_work.accepted
    bars.update(bar, description=done, completed=accepted, total=counts.requested)


def show(dataset: DatasetOut, *, as_json: bool, quiet: bool = False, err: bool = False) -> None:
    """Print what is known of a dataset."""
    if as_json:
        click.echo(dataset.model_dump_json())
    elif not quiet:
        Console(stderr=err).print(table(dataset))


def end(dataset: DatasetOut, *, as_json: bool, quiet: bool) -> None:
    """Print how a dataset ended; exits with 1 unless it is complete."""
    show(dataset, as_json=as_json, quiet=quiet, err=not as_json)
    if dataset.state is not DatasetState.COMPLETED:
        raise click.exceptions.Exit(1)


def table(dataset: DatasetOut) -> Table:
    """Two columns: what, and how much."""
    counts = dataset.counts
    rejected = ", ".join(f"{reason} {number}" for reason, number in sorted(counts.rejected.items()))
    rows = {
        "id": dataset.id,
        "state": f"{dataset.state}{' (cancel requested)' if dataset.cancel_requested else ''}",
        "since": f"{dataset.timestamps[dataset.state]:%Y-%m-%d %H:%M:%S %Z}",
        "samples": f"{counts.accepted} of {counts.requested}, {counts.attempted} attempted",
        "rejected": rejected or "none",
        "in work": f"{dataset.in_work.accepted} more in {dataset.in_work.shards} shards"
        if dataset.in_work.shards
        else "",
        "waits": dataset.waiting.reason if dataset.waiting else "",
        "shards": f"{counts.shards_done} of {counts.shards_total}",
        "pace": f"{dataset.rate:.2f} samples/s" if dataset.rate else "unknown",
        "left": f"{dataset.eta_s:.0f} s" if dataset.eta_s is not None else "",
        "model": f"{dataset.spec.model} = {dataset.bundle}",
        "seed": str(dataset.spec.seed),
        "expires": f"{dataset.expires_at:%Y-%m-%d %H:%M %Z}" if dataset.expires_at else "",
        "labels": ", ".join(f"{k}={v}" for k, v in sorted(dataset.spec.labels.items())),
        "error": f"{dataset.error.detail} [{dataset.error.code}]" if dataset.error else "",
    }
    found = Table(show_header=False, box=None)
    for name, value in rows.items():
        if value:
            found.add_row(name, Text(value))
    return found
