"""`matteforge render`: portraits as PNG files, with their specs and a contact sheet."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

import click

from core.datasets.splits import candidate_seed
from core.errors import MatteForgeError, RendererFailed
from core.rendered_subjects import Assignment
from matteforge.cli.steps import Steps
from matteforge.schemas.attributes import Framing
from matteforge.schemas.vocabulary import Distribution, Vocabulary
from models.imaging.sheets import in_rows, save_sheet, thumbnail, tile
from models.kernels.compile_notice import announce_compilation
from models.renderer.availability import available
from models.renderer.blender.picture import MEMBERS, RenderedPicture
from models.renderer.blender.process import RenderProcess
from models.renderer.folder import PictureFolder
from models.renderer.render import Quality, Survey, survey
from models.renderer.spec import SubjectSpec
from models.renderer.subject import Subject
from models.renderer.subjects import SUBJECTS

DRAWS = 20
"""How often a subject with a defect is drawn before it is kept, and said so."""
EXAMPLE = '{"glasses": 0.3, "hair": {"long": 0.5}}'
SHEET = "contact-sheet.png"
SHEET_COLUMNS, SHEET_TILE_PX, SHEET_PICTURES = 4, 256, 64
Candidates = Callable[[], Iterator[SubjectSpec]]
"""Specs of one picture, of which the first that is fit is drawn."""


@click.command()
@click.option(
    "--domain",
    default=next(iter(SUBJECTS)),
    show_default=True,
    type=click.Choice(list(SUBJECTS)),
    help="What is in the pictures.",
)
@click.option(
    "--count", default=16, show_default=True, type=click.IntRange(1), help="How many portraits."
)
@click.option(
    "--size", default=512, show_default=True, type=click.IntRange(32, 4096), help="Side in pixels."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the files.",
)
@click.option("--seed", default=0, show_default=True, help="Portraits of an order with this seed.")
@click.option(
    "--framing",
    default="free",
    show_default=True,
    type=click.Choice(get_args(Framing)),
    help="Heads as photographers frame them, or all in one place and of one size.",
)
@click.option(
    "--attribute",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="Such as hair=long; may be repeated.",
)
@click.option(
    "--attributes", "shares", default="{}", metavar="JSON", help="Shares, as an order takes them."
)
@click.option(
    "--spec",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Redraw a .json of an earlier run.",
)
@click.option(
    "--vary", "concept", help="Draw one concept anew in each picture, such as hair; all else stays."
)
@click.option(
    "--members", default=",".join(MEMBERS), show_default=True, help="Ground truth to write."
)
@click.option(
    "--photos",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of backgrounds.",
)
@click.option(
    "--samples", default=Quality().samples, show_default=True, help="Light paths a pixel."
)
@click.option("--threads", default=1, show_default=True, help="Cores to render on.")
def render(
    domain: str,
    count: int,
    size: int,
    out: Path,
    seed: int,
    framing: Framing,
    given: tuple[str, ...],
    shares: str,
    file: Path | None,
    concept: str | None,
    members: str,
    photos: Path | None,
    samples: int,
    threads: int,
) -> None:
    """Render portraits of what never was: KEY.image.png, KEY.alpha.png (16 bit), labels, KEY.json
    (the spec), a sheet.

    The same command again goes on where it was stopped: pictures that are there are kept.
    """
    if missing := available(domain):
        raise click.ClickException(f"{domain} can't be rendered here: {missing}")
    announce_compilation()
    subject = SUBJECTS[domain]
    wanted = tuple(name for name in members.split(",") if name)
    if unknown := [name for name in wanted if name not in MEMBERS]:
        raise click.ClickException(f"unknown member {unknown[0]}; known: {', '.join(MEMBERS)}")
    try:
        wished = subject.vocabulary.complete(_attributes(subject.vocabulary, given, shares))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    try:
        slots = Assignment(seed=seed, count=count, shares=wished, vocabulary=subject.vocabulary)
        if file or concept:
            first = partial(candidates, subject, seed, 0, slots[0], framing)
            asked = _asked(subject, first, framing, file, concept, count)
        else:
            asked = [
                partial(candidates, subject, seed, slot, slots[slot], framing)
                for slot in range(count)
            ]
        options = {
            "size": size,
            "members": sorted(wanted),
            "samples": samples,
            "photos": photos and str(photos.resolve()),
        }
        folder = PictureFolder(out, options)
        with RenderProcess(threads=threads) as renderer:

            def draw(surveyed: Survey) -> RenderedPicture:
                return renderer.draw(surveyed, size, wanted, Quality(samples=samples), photos)

            failed = _fill(folder, asked, draw)
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error
    _write_sheet(folder, out / SHEET)
    click.echo(f"{len(asked) - failed} portraits and {out / SHEET}")
    if failed:
        raise click.ClickException(f"{failed} portraits failed; the same command tries them again")


def _write_sheet(folder: PictureFolder, path: Path) -> None:
    shown = [folder.picture(key) for key in folder.keys()[:SHEET_PICTURES]]
    rows = in_rows([thumbnail(picture, SHEET_TILE_PX) for picture in shown], SHEET_COLUMNS)
    save_sheet(path, tile(rows))


def _fill(
    folder: PictureFolder,
    asked: Sequence[Candidates],
    draw: Callable[[Survey], RenderedPicture],
) -> int:
    """Draws each picture that is not there yet; the number of those that Blender refused."""
    failed = 0
    for number, specs in enumerate(Steps("portraits").each(asked)):
        key = f"{number:06d}"
        if folder.holds(key, specs()):
            click.echo(f"{key} is there")
            continue
        surveyed = fit(specs())
        try:
            picture = draw(surveyed)
        except RendererFailed as error:
            failed += 1
            click.echo(f"{key} failed: {error.detail}", err=True)
            continue
        folder.write(key, surveyed.spec, picture)
        click.echo(f"{key} {' '.join((*surveyed.spec.labels.values(), *picture.defects))}")
    return failed


def _attributes(vocabulary: Vocabulary, given: tuple[str, ...], shares: str) -> Distribution:
    pairs = [pair.partition("=") for pair in given]
    if wrong := [name for name, equals, _ in pairs if not equals or name not in vocabulary.values]:
        raise click.ClickException(
            f"{wrong[0]} is not NAME=VALUE with a NAME of {', '.join(vocabulary.values)}"
        )
    try:
        ordered = json.loads(shares)
    except ValueError:
        ordered = None
    if not isinstance(ordered, dict):
        raise click.ClickException(
            f"--attributes is not a JSON object such as {EXAMPLE}: {shares:.60}"
        )
    return ordered | {name: {value: 1.0} for name, _, value in pairs}


def _asked(
    subject: Subject[Any],
    first: Candidates,
    framing: Framing,
    file: Path | None,
    concept: str | None,
    count: int,
) -> list[Candidates]:
    """A spec that was given or drawn, and its variations if a concept is to be varied."""
    base = subject.spec.from_json(file.read_text()) if file else next(first())
    if not concept:
        return [partial(iter, (base,))]
    return [
        partial(iter, (subject.vary(base, concept, number, framing),)) for number in range(count)
    ]


def candidates(
    subject: Subject[Any], seed: int, slot: int, attributes: Mapping[str, str], framing: Framing
) -> Iterator[SubjectSpec]:
    """Who may stand in a slot of an order: DRAWS of them, the first without a defect does.

    Raises InvalidSpec for unknown attributes.
    """
    for redraw in range(DRAWS):
        yield subject.draw(candidate_seed(seed, slot, redraw), attributes, framing)


def fit(specs: Iterable[SubjectSpec]) -> Survey:
    """The first of some specs, at least one, that has no defect; else the last."""
    for spec in specs:
        surveyed = survey(spec)
        if not surveyed.defects:
            break
    return surveyed
