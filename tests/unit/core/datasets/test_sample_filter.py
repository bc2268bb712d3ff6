"""Filters that people write, and what is refused."""

import pyarrow as pa
import pytest

from core.datasets.sample_filter import SampleFilter
from core.errors import InvalidQuery

TABLE = pa.table(
    {
        "key": ["a", "b", "c", "d"],
        "seed": pa.array([1, 2**62 + 1, 2**62, 4], pa.int64()),
        "iou": [0.99, 0.5, 0.985, None],
        "coverage": [0.5, 0.5, 0.7, 0.1],
        "hair": ["long", "bald", "long", None],
    }
)


def passing(text: str) -> list[str]:
    return TABLE.filter(SampleFilter(text, TABLE.schema).mask(TABLE))["key"].to_pylist()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("iou>0.98 and coverage<0.6", ["a"]),
        ("iou > .98 or coverage < 0.2", ["a", "c", "d"]),
        ("not iou > 0.98", ["b"]),  # where there is no value, nothing is known
        ("0.4 < coverage < 0.6", ["a", "b"]),
        ("0.6 >= coverage and (hair == 'bald' or hair != \"bald\")", ["a", "b"]),
        ("hair == 'long'", ["a", "c"]),
        ("coverage > -1", ["a", "b", "c", "d"]),
        (f"seed == {2**62}", ["c"]),  # exact, where a float would find two
        ("seed > 1.5", ["b", "c", "d"]),
        ("seed < 1e400", ["a", "b", "c", "d"]),
    ],
)
def test_what_passes(text: str, keys: list[str]) -> None:
    assert passing(text) == keys


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing > 1", "there is no column 'nothing'; there are key, seed, iou, coverage, hair"),
        ("hair > 1", "hair is compared with a text in quotes, not 1"),
        ("iou == 'x'", "iou is compared with a number, not 'x'"),
        ("iou", "no comparison"),
        ("iou > coverage", "compare a column with a number or a text"),
        ("__import__('os').system('true')", "no column '__import__'"),
        ("key.upper() == 'A'", "compare a column with"),
        ("[key for key in 'a']", "is no comparison"),
        ("iou in (1, 2)", "use <, <=, >, >=, == or !="),
        ("iou > True", "is no number"),
        ("iou > 0.98; drop table", "can't be read"),
        ("iou > 1 and", "can't be read"),
        ("", "can't be read"),
        ("(" * 300 + "iou>1" + ")" * 100, "can't be read"),
        ("-" * 490 + "1 < iou", ""),
        ("iou > 1" + "0" * 400, ""),
        (r"hair == '\ud800'", "can't be worked out"),
        ("iou > 1" + " " * 500, "507 characters; at most 500"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidQuery, match=r".") as caught:
        passing(text)
    assert said in caught.value.detail
