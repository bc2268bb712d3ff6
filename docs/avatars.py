"""Vector avatars with exact alpha, as a folder of RGBA pictures for `matteforge corpora add`.

    pip install dicebear-core==10.7.0 dicebear-styles==10.6.0 resvg-py==0.5.0
    python docs/avatars.py avatars --count 300

Not needed by the project itself. dicebear-core and resvg-py are MIT; each style has a licence of
its own, and only styles that are CC0 are drawn. An avatar follows from style and number.
"""

import json
from importlib.resources import files
from pathlib import Path

import click
import resvg_py
from dicebear import Avatar, Style

STYLES = ("lorelei", "notionists", "open-peeps")
LICENCE = "CC0 1.0"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--count", default=300, show_default=True, help="Avatars of each style.")
@click.option("--size", default=128, show_default=True, help="Pixels a side.")
def main(folder: Path, count: int, size: int) -> None:
    """Write FOLDER/STYLE/NUMBER.png; a style's folder becomes a slice of the corpus."""
    for name in STYLES:
        definition = json.loads(
            files("dicebear_styles").joinpath(f"{name}.json").read_text("utf-8")
        )
        if (licence := definition["meta"]["license"]["name"]) != LICENCE:
            raise click.ClickException(f"the style {name} is {licence}, not {LICENCE}")
        (folder / name).mkdir(parents=True, exist_ok=True)
        style = Style(definition)
        for number in range(count):
            svg = Avatar(style, {"seed": str(number), "size": size}).to_string()
            picture = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)
            (folder / name / f"{number:05d}.png").write_bytes(bytes(picture))


if __name__ == "__main__":
    main()
