"""`matteforge download`."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from matteforge.cli.connection import INTERRUPTED, output, service
from matteforge.cli.steps import Steps
from matteforge.client import MatteForge
from matteforge.download import Progress as DownloadProgress
from matteforge.folder import stored
from matteforge.parquet import to_parquet_files
from matteforge.schemas.datasets import DatasetOut
from matteforge.unpack import unpack

ALWAYS = ("image", "alpha", "json")  # members of every sample


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> list[str]:
    return [name.strip() for name in (value or "").split(",") if name.strip()]


@click.command()
@click.argument("dataset_id")
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("."),
    help="the dataset gets a folder of its own in it: OUT/ID  [default: here]",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=4, show_default=True, help="parallel downloads"
)
@click.option("--split", type=click.Choice(["train", "validation", "test"]), help="of it alone")
@click.option(
    "--partial", is_flag=True, help="also what is there of one that failed, or is still made"
)
@click.option(
    "--format",
    "layout",
    type=click.Choice(["webdataset", "folder", "parquet"]),
    default="webdataset",
    show_default=True,
    help="folder: beside the shards, each sample's files in OUT/ID/SPLIT; parquet: files with "
    "image columns in OUT/ID/parquet, for Hugging Face's datasets",
)
@click.option(
    "--members",
    callback=_names,
    metavar="NAME,…",
    help="of --format folder or parquet: image, alpha, json, …  [default: all]",
)
@output
@service
def download(
    client: MatteForge,
    dataset_id: str,
    out: Path,
    layout: str,
    members: list[str],
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Download a dataset into OUT/ID; repeated, it goes on where it broke off."""
    if members and layout == "webdataset":
        raise click.UsageError(
            "--members belongs to --format folder or parquet: shards are fetched whole"
        )
    if members:
        _check_members(members, client.get(dataset_id))
    folder = out / dataset_id
    try:
        paths = _fetch(client, dataset_id, out, show=not (quiet or as_json), options=options)
        steps = Steps("shards unpacked", len(paths), quiet=quiet or as_json)
        samples = _converted(layout, steps.each(paths), folder, members)
    except KeyboardInterrupt:
        click.echo(
            f"stopped; what has arrived stays in {folder}{os.sep}, the same command goes on",
            err=True,
        )
        raise click.exceptions.Exit(INTERRUPTED) from None
    dataset = client.get(dataset_id)
    if not dataset.state.terminal:
        click.echo(f"{dataset_id} is still {dataset.state}: repeat this for the rest", err=True)
    if dataset.damaged:
        click.echo(
            f"{dataset_id} is damaged: {len(paths)} of {dataset.counts.shards_done} shards are "
            "whole and here",
            err=True,
        )
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "shards": [path.name for path in paths]}))
        return
    where = {"folder": "as files", "parquet": f"as Parquet in {folder / 'parquet'}{os.sep}"}
    also = f", {samples} samples {where[layout]}" if layout in where else ""
    click.echo(f"{len(paths)} shards, sha256 checked, in {folder}{os.sep}{also}")


def _check_members(members: list[str], dataset: DatasetOut) -> None:
    """Raises UsageError, before anything is fetched, for members that no sample has."""
    known = [*ALWAYS, *dataset.spec.members]
    if unknown := [name for name in members if name not in known]:
        raise click.UsageError(
            f"--members: {dataset.id} has no {', '.join(unknown)}; it has {', '.join(known)}"
        )


def _fetch(
    client: MatteForge, dataset_id: str, out: Path, *, show: bool, options: dict[str, Any]
) -> list[Path]:
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not show) as bars:
        bar = bars.add_task(dataset_id, total=None)

        def advance(progress: DownloadProgress) -> None:
            text = f"shard {progress.shards_done}/{progress.shards_total}"
            done, total = progress.bytes_done, progress.bytes_total
            bars.update(bar, description=text, completed=done, total=total)

        return list(client.download(dataset_id, out, on_progress=advance, **options))


def _converted(layout: str, paths: Iterable[Path], folder: Path, members: list[str]) -> int:
    """Samples in the layout that was asked for beside the shards."""
    with stored():
        if layout == "folder":
            return unpack(paths, folder, members)
        if layout == "parquet":
            try:
                return to_parquet_files(paths, folder / "parquet", members)
            except ModuleNotFoundError as error:
                raise click.ClickException(str(error)) from error
    return 0
