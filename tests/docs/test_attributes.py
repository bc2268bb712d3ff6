"""The how-tos of rendered orders name every attribute and value that can be ordered."""

import re
from pathlib import Path

import pytest

from matteforge.schemas.attributes import VOCABULARIES

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
PAGES = {"humans": "order-rendered-people.md", "animals": "order-rendered-animals.md"}


@pytest.mark.parametrize("domain", VOCABULARIES)
def test_the_table_of_attributes_is_the_vocabulary(domain: str) -> None:
    text = (HOWTO / PAGES[domain]).read_text("utf-8")
    table = text.partition("## Attributes")[2].partition("- ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, re.MULTILINE)
    told = {name: re.sub(r"\([^)]*\)", "", values) for name, values in rows}
    assert list(told) == list(VOCABULARIES[domain].values)
    for name, values in VOCABULARIES[domain].values.items():
        words = re.findall(r"\w+", told[name])
        if "to" in words:  # a range, such as tone1 to tone6
            assert (words[0], words[-1]) == (values[0], values[-1])
        else:
            assert tuple(words) == values
