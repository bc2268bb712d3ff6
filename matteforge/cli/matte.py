"""`matteforge matte`: cut subjects out of one's own pictures, by a service."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import click

from matteforge.calls import MatteOptions
from matteforge.cli.connection import service
from matteforge.cli.matte_batch import send_batch
from matteforge.cli.matte_files import PIPE, write_picture
from matteforge.cli.steps import Steps
from matteforge.client import MatteForge
from matteforge.errors import MatteForgeRequestError
from matteforge.matte_names import SUFFIXES, result_names
from matteforge.schemas.mattes import MAX_PICTURE_BYTES, MatteOut

WATCH_S = 1.0
PATIENCE_S = 900.0  # for one picture, with those before it in the queue


def matte_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds what is to be made: --output, --background, --model and --side."""
    for option in (
        click.option("--side", type=int, help="longer side in pixels at which StyleMatte looks"),
        click.option(
            "--model", help="whose StyleMatte: name, name@alias or digest  [default: humans]"
        ),
        click.option(
            "--background",
            metavar="IMAGE|#rrggbb|blur",
            help="what to put behind: makes a composite",
        ),
        click.option(
            "--output",
            type=click.Choice(["alpha", "cutout", "composite"]),
            help="[default: cutout]",
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="a PNG for one picture, else a folder"
)
@matte_options
@click.option("--watch", is_flag=True, help="go on with what arrives in the folder, until Ctrl-C")
@click.option("--batch", is_flag=True, help="send all pictures as one job; the service keeps it")
@service
def matte(
    client: MatteForge,
    sources: tuple[Path, ...],
    out: Path | None,
    watch: bool,
    batch: bool,
    **options: str | int | None,
) -> None:
    """Cut the subjects out of SOURCES: pictures, folders, or - for a picture from standard input.

    `-o -` writes to standard output. A folder keeps its shape in the one that OUT names; what is
    there already is not made again. What can't be read is named, and the rest is done.
    """
    given = options_of(options)
    if batch:
        if watch or PIPE in sources:
            raise click.UsageError(
                "--batch takes pictures and folders as they are, without --watch"
            )
        send_batch(client, list(_targets(sources, _folder(out))), given)
        return
    jobs = Jobs(client, given)
    if sources == (PIPE,):
        jobs.one(PIPE, out or PIPE)
    elif len(sources) == 1 and not sources[0].is_dir() and (out is None or out.suffix):
        jobs.one(sources[0], out or Path(f"{sources[0].stem}.cutout.png"))
    else:
        jobs.many(sources, _folder(out), watch=watch)
    jobs.finish()


class Jobs:
    """Pictures one after the other; counts what was made, and what could not be."""

    def __init__(self, client: MatteForge, options: MatteOptions) -> None:
        self._client = client
        self._options = options
        self._made = 0
        self._refused: set[Path] = set()
        self._noticed: set[str] = set()

    def one(self, source: Path, target: Path) -> None:
        """Cut one picture out. What is wrong with it is told, and remembered."""
        try:
            content = sys.stdin.buffer.read() if source == PIPE else source.read_bytes()
            if len(content) > MAX_PICTURE_BYTES:
                raise OSError(f"it has more than {MAX_PICTURE_BYTES >> 20} MiB")
            made, result = self._client.matte(content, timeout_s=PATIENCE_S, **self._options)
        except (OSError, TimeoutError, MatteForgeRequestError) as error:
            if getattr(error, "status", 422) in (401, 403):
                raise
            self._refused.add(source)
            click.echo(f"{source}: {getattr(error, 'strerror', None) or error}", err=True)
            return
        self._tell(made)
        write_picture(target, result)
        self._made += 1

    def many(self, sources: tuple[Path, ...], folder: Path, *, watch: bool) -> None:
        """Cut out what lies in files and folders, and, if `watch`, what comes to lie there."""
        settled: dict[Path, tuple[int, int]] = {}
        if passed := _passed_over(sources):
            told = ", ".join(f"{number} {suffix}" for suffix, number in passed.most_common())
            click.echo(f"passed over, since they are no pictures that are read: {told}", err=True)
        try:
            while True:
                found = [job for job in _targets(sources, folder) if job[0] not in self._refused]
                if not found and not watch and not self._refused:
                    raise click.UsageError(f"no pictures there: {', '.join(sorted(SUFFIXES))}")
                wanted = [(source, target) for source, target in found if not target.exists()]
                for source, target in Steps("pictures").each(wanted):
                    if watch and not _still(source, settled):
                        continue
                    self.one(source, target)
                    if target.exists():
                        click.echo(target)
                if not watch:
                    return
                time.sleep(WATCH_S)
        except KeyboardInterrupt:
            if not watch:
                raise

    def finish(self) -> None:
        """Say how many could not be made, and exit with 1 if there are any."""
        if self._refused:
            click.echo(f"{self._made} made, {len(self._refused)} could not be read", err=True)
            raise click.exceptions.Exit(1)

    def _tell(self, made: MatteOut) -> None:
        if made.notice and made.notice not in self._noticed:
            self._noticed.add(made.notice)
            click.echo(f"note: {made.notice}", err=True)


def options_of(options: Mapping[str, str | int | None]) -> MatteOptions:
    """What was given of `matte_options`. Raises click.BadParameter."""
    given = {name: value for name, value in options.items() if value is not None}
    background = given.pop("background", None)
    if background is not None:
        given = {**given, "output": "composite", **_background(str(background))}  # type: ignore[dict-item]
    return cast(MatteOptions, given)


def _background(text: str) -> MatteOptions:
    if text == "blur" or text.startswith("#"):
        return {"background": text}
    try:
        return {"background_image": Path(text).read_bytes()}
    except OSError as error:
        raise click.BadParameter(
            f"{text!r} is neither #rrggbb, blur nor a readable picture: {error.strerror}",
            param_hint="--background",
        ) from error


def _folder(out: Path | None) -> Path:
    if out is None or (out.exists() and not out.is_dir()):
        raise click.BadParameter("several pictures need a folder", param_hint="--out")
    return out


def _targets(sources: tuple[Path, ...], folder: Path) -> Iterator[tuple[Path, Path]]:
    """(picture, where its result goes); two that would share a name keep their suffix in it."""
    pictures = [
        (path, path.relative_to(source) if source.is_dir() else Path(path.name))
        for source in sources
        for path in (_files(source) if source.is_dir() else [source])
        if not source.is_dir() or path.suffix.lower() in SUFFIXES
        if folder.resolve() not in path.resolve().parents
    ]
    names = result_names([relative for _, relative in pictures])
    for (path, _), name in zip(pictures, names, strict=True):
        yield path, folder / name


def _files(folder: Path) -> list[Path]:
    """Files below a folder, hidden ones left out."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part[0] == "." for part in path.relative_to(folder).parts)
    ]


def _passed_over(sources: tuple[Path, ...]) -> Counter[str]:
    """Files in folders that are no pictures by their suffix, by suffix."""
    suffixes = (file.suffix.lower() for source in sources if source.is_dir()
                for file in _files(source))  # fmt: skip
    return Counter(suffix or "without a suffix" for suffix in suffixes if suffix not in SUFFIXES)


def _still(source: Path, settled: dict[Path, tuple[int, int]]) -> bool:
    """Has the file not changed since the last look? It may still be written."""
    try:
        state = source.stat()
    except OSError:
        return False
    now = state.st_size, state.st_mtime_ns
    before, settled[source] = settled.get(source), now
    return before == now
