"""`matteforge render`: people as PNG files, with their specs and a contact sheet."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import click
from PIL import Image

from core.datasets.splits import candidate_seed
from core.errors import MatteForgeError
from core.rendered_people import Assignment
from matteforge.schemas.attributes import ATTRIBUTES, Distribution, Framing, complete_shares
from models.imaging.sheets import in_rows, save_sheet, thumbnail, tile
from models.renderer.blender.picture import MEMBERS, RenderedPicture
from models.renderer.blender.process import RenderProcess, available
from models.renderer.render import Quality, Survey, survey
from models.renderer.spec import PortraitSpec, draw_spec, vary

DRAWS = 20
"""How often a person with a defect is drawn before they are kept, and said so."""
EXAMPLE = '{"glasses": 0.3, "hair": {"long": 0.5}}'
SHEET_COLUMNS, SHEET_TILE_PX = 4, 256


@click.command()
@click.option(
    "--count", default=16, show_default=True, type=click.IntRange(1), help="How many people."
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
@click.option("--seed", default=0, show_default=True, help="People of an order with this seed.")
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
    """Render people who never were: KEY.image.png, KEY.alpha.png (16 bit), labels, KEY.json (the
    spec), a sheet."""
    if missing := available():
        raise click.ClickException(f"people can't be rendered here: {missing}")
    wanted = tuple(name for name in members.split(",") if name)
    if unknown := [name for name in wanted if name not in MEMBERS]:
        raise click.ClickException(f"unknown member {unknown[0]}; known: {', '.join(MEMBERS)}")
    tiles = []
    try:
        wished = complete_shares(_attributes(given, shares))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    try:
        people = Assignment(seed=seed, count=count, shares=wished)
        out.mkdir(parents=True, exist_ok=True)
        with RenderProcess(threads=threads) as renderer:
            for number, person in enumerate(_sitters(people, count, seed, framing, file, concept)):
                spec, picture = (
                    person.spec,
                    renderer.draw(person, size, wanted, Quality(samples=samples), photos),
                )
                write(out, f"{number:06d}", spec, picture)
                tiles.append(picture.rgb_u8)
                words = (*spec.labels.values(), *picture.defects)
                click.echo(f"{number:06d} {' '.join(words)}")
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error
    rows = in_rows([thumbnail(picture, SHEET_TILE_PX) for picture in tiles], SHEET_COLUMNS)
    save_sheet(out / "contact-sheet.png", tile(rows))
    click.echo(f"{len(tiles)} people and {out / 'contact-sheet.png'}")


def _attributes(given: tuple[str, ...], shares: str) -> Distribution:
    pairs = [pair.partition("=") for pair in given]
    if wrong := [name for name, equals, _ in pairs if not equals or name not in ATTRIBUTES]:
        raise click.ClickException(
            f"{wrong[0]} is not NAME=VALUE with a NAME of {', '.join(ATTRIBUTES)}"
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


def _sitters(
    people: Assignment,
    count: int,
    seed: int,
    framing: Framing,
    file: Path | None,
    concept: str | None,
) -> Iterator[Survey]:
    if not file and not concept:
        yield from (fit(seed, slot, people[slot], framing) for slot in range(count))
        return
    first = candidate_seed(seed, 0, 0)
    base = (
        PortraitSpec.from_json(file.read_text()) if file else draw_spec(first, people[0], framing)
    )
    if not concept:
        yield survey(base)
    else:
        yield from (survey(vary(base, concept, number, framing)) for number in range(count))


def fit(seed: int, slot: int, attributes: Mapping[str, str], framing: Framing) -> Survey:
    """Who stands in a slot of an order: drawn until they have no defect, at most DRAWS times.

    Raises InvalidSpec for unknown attributes.
    """
    for redraw in range(DRAWS):
        surveyed = survey(draw_spec(candidate_seed(seed, slot, redraw), attributes, framing))
        if not surveyed.defects:
            break
    return surveyed


def write(out: Path, key: str, spec: PortraitSpec, picture: RenderedPicture) -> None:
    """One portrait's files."""
    Image.fromarray(picture.rgb_u8).save(out / f"{key}.image.png")
    Image.fromarray(picture.alpha_u16).save(out / f"{key}.alpha.png")
    arrays = {
        "fg": picture.fg_u8,
        "trimap": picture.trimap_u8,
        "depth": picture.depth_mm,
        "normals": picture.normals_u8,
        "parts": picture.parts_u8,
    }
    for name, array in arrays.items():
        if array is not None:
            Image.fromarray(array).save(out / f"{key}.{name}.png")
    facts = {"landmarks": picture.landmarks, "camera": picture.camera, "defects": picture.defects}
    (out / f"{key}.truth.json").write_text(json.dumps(facts, sort_keys=True))
    (out / f"{key}.json").write_text(spec.to_json())
