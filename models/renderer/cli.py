"""`matteforge render`: people as PNG files, with their specs and a contact sheet."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from PIL import Image

from core.errors import MatteForgeError
from core.rendered_people import ATTRIBUTES
from models.renderer.blender.picture import MEMBERS, Picture
from models.renderer.blender.process import RenderProcess, available
from models.renderer.render import Quality, Survey, survey
from models.renderer.spec import PortraitSpec, draw_spec, vary

REDRAWS = 20
"""How often a spec with a defect is drawn anew before it is kept, and said so."""
NEXT_DRAW = 1_000_003
SHEET_COLUMNS, SHEET_TILE_PX = 4, 256


@click.command()
@click.option("--count", default=16, show_default=True, help="How many people.")
@click.option(
    "--size", default=512, show_default=True, type=click.IntRange(32, 4096), help="Side in pixels."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the files.",
)
@click.option("--seed", default=0, show_default=True, help="Of the first; the others follow.")
@click.option(
    "--attribute",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="Such as hair=long; may be repeated.",
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
    given: tuple[str, ...],
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
    out.mkdir(parents=True, exist_ok=True)
    tiles = []
    try:
        with RenderProcess(threads=threads) as renderer:
            for number, spec in enumerate(_specs(count, seed, _attributes(given), file, concept)):
                person = survey(spec) if file or concept else fit(spec)
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
    contact_sheet(tiles).save(out / "contact-sheet.png")
    click.echo(f"{len(tiles)} people and {out / 'contact-sheet.png'}")


def _attributes(given: tuple[str, ...]) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in given]
    if wrong := [name for name, equals, _ in pairs if not equals or name not in ATTRIBUTES]:
        raise click.ClickException(
            f"{wrong[0]} is not NAME=VALUE with a NAME of {', '.join(ATTRIBUTES)}"
        )
    return {name: value for name, _, value in pairs}


def _specs(
    count: int, seed: int, attributes: dict[str, str], file: Path | None, concept: str | None
) -> Iterator[PortraitSpec]:
    base = PortraitSpec.from_json(file.read_text()) if file else draw_spec(seed, attributes)
    if concept:
        yield from (vary(base, concept, number) for number in range(count))
    elif file:
        yield base
    else:
        yield from (draw_spec(seed + number, attributes) for number in range(count))


def fit(spec: PortraitSpec) -> Survey:
    """A person without defects: the same attributes, the next seed, until one is fit; the last one
    if none is."""
    surveyed = survey(spec)
    for _ in range(REDRAWS):
        if not surveyed.defects:
            break
        surveyed = survey(draw_spec(surveyed.spec.seed + NEXT_DRAW, spec.attributes()))
    return surveyed


def write(out: Path, key: str, spec: PortraitSpec, picture: Picture) -> None:
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


def contact_sheet(tiles: list[np.ndarray]) -> Image.Image:
    """Pictures side by side, four a row."""
    rows = -(-len(tiles) // SHEET_COLUMNS)
    sheet = Image.new("RGB", (min(len(tiles), SHEET_COLUMNS) * SHEET_TILE_PX, rows * SHEET_TILE_PX))
    for number, tile in enumerate(tiles):
        small = Image.fromarray(tile).resize(
            (SHEET_TILE_PX, SHEET_TILE_PX), Image.Resampling.LANCZOS
        )
        sheet.paste(
            small, (number % SHEET_COLUMNS * SHEET_TILE_PX, number // SHEET_COLUMNS * SHEET_TILE_PX)
        )
    return sheet
