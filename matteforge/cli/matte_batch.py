"""One job for many pictures: sent as a zip, followed, and its results put where they belong."""

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import click
from rich.progress import Progress, TaskID

from matteforge.calls import MatteOptions
from matteforge.cli.matte_files import write_picture
from matteforge.cli.progress import with_bar
from matteforge.cli.steps import Steps
from matteforge.client import MatteForge
from matteforge.errors import MatteForgeError
from matteforge.schemas.mattes import MAX_ARCHIVE_BYTES, MAX_BATCH_PICTURES, MatteBatchOut


def send_batch(
    client: MatteForge, jobs: Sequence[tuple[Path, Path]], options: MatteOptions
) -> None:
    """Make each (picture, where its result goes) by one job; what is there is not made again."""
    wanted = {target: source for source, target in jobs if not target.exists()}
    if not wanted:
        click.echo("nothing to do: every result is there", err=True)
        return
    if len(wanted) > MAX_BATCH_PICTURES:
        raise click.UsageError(f"a batch has at most {MAX_BATCH_PICTURES} pictures: send parts")
    with tempfile.TemporaryDirectory(prefix="matteforge-batch-") as folder:
        archive, results = Path(folder, "pictures.zip"), Path(folder, "results.zip")
        names = _pack(archive, wanted)
        with Steps("MB sent") as steps:
            batch = client.matte_batches.order(archive, on_bytes=steps.megabytes, **options)
        click.echo(batch.id, err=True)
        batch = watch_batch(client, batch.id)
        if batch.size_bytes is not None:
            fetch_results(client, batch.id, results)
            _unpack(results, client, batch.id, names)
    end_batch(client, batch)


def fetch_results(client: MatteForge, batch_id: str, path: Path) -> None:
    """The zip of a batch's results, with a bar."""
    with Steps("MB fetched") as steps:
        client.matte_batches.download(batch_id, path, steps.megabytes)


def watch_batch(client: MatteForge, batch_id: str) -> MatteBatchOut:
    """Wait until a batch has ended, with a bar that counts pictures."""
    goes_on = (
        f"{batch_id} goes on: `matteforge matte-batches status {batch_id} --watch` follows it, "
        f"`matteforge matte-batches cancel {batch_id}` stops it"
    )
    return with_bar(lambda heard: client.matte_batches.wait(batch_id, heard), _advance, goes_on)


def end_batch(client: MatteForge, batch: MatteBatchOut) -> None:
    """Say how a batch ended, and what is wrong with which picture; exits with 1 unless all were
    made."""
    if batch.notice:
        click.echo(f"note: {batch.notice}", err=True)
    if batch.error:
        click.echo(f"{batch.error.detail} [{batch.error.code}]", err=True)
    if batch.counts.failed:
        for picture in client.matte_batches.pictures(batch.id):
            if picture.error:
                click.echo(f"{picture.name}: {picture.error.detail}", err=True)
    counts = batch.counts
    click.echo(f"{batch.state}: {counts.made} made, {counts.failed} could not be", err=True)
    if batch.state != "completed" or counts.failed:
        raise click.exceptions.Exit(1)


def _advance(bars: Progress, bar: TaskID, batch: MatteBatchOut) -> None:
    counts = batch.counts
    failed = f", {counts.failed} could not be" if counts.failed else ""
    bars.update(
        bar,
        description=f"{batch.state}: {counts.made} made{failed}",
        completed=counts.made + counts.failed,
        total=counts.total,
    )


def _pack(archive: Path, wanted: dict[Path, Path]) -> dict[str, Path]:
    """Write the zip; gives where the result of each of its entries goes."""
    names: dict[str, Path] = {}
    shared = _shared_folder(list(wanted))
    with zipfile.ZipFile(
        archive, "w", strict_timestamps=False
    ) as file:  # pictures don't shrink any further
        for target, source in Steps("pictures packed").each(list(wanted.items())):
            stem = target.relative_to(shared).with_suffix("")
            name = stem.as_posix() + ("" if stem.name == source.name else source.suffix)
            name = name.replace("\\", "_")  # in an archive it would be a folder
            name = name if name not in names else f"{len(names)}-{name}"
            try:
                file.write(source, name)
            except OSError as error:
                raise MatteForgeError(f"{source}: {error.strerror or error}") from error
            names[name] = target
    if archive.stat().st_size > MAX_ARCHIVE_BYTES:
        raise MatteForgeError(
            f"the pictures have more than {MAX_ARCHIVE_BYTES >> 30} GiB in all: send parts"
        )
    return names


def _shared_folder(targets: Sequence[Path]) -> Path:
    folder = targets[0].parent
    while not all(folder in target.parents for target in targets):
        folder = folder.parent
    return folder


def _unpack(results: Path, client: MatteForge, batch_id: str, names: dict[str, Path]) -> None:
    with zipfile.ZipFile(results) as file:
        for picture in Steps("results", len(names)).each(client.matte_batches.pictures(batch_id)):
            if picture.state == "done" and picture.name in names:
                write_picture(names[picture.name], file.read(picture.result))
                click.echo(names[picture.name])
