"""Names that come from elsewhere stay in the folder that they are put into."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from matteforge.schemas.names import FileName, FilePath, plain_path

NAMES, PATHS = TypeAdapter(FileName), TypeAdapter(FilePath)
BAD = [
    "",
    ".",
    "..",
    "/etc/x",
    "../x",
    "a/../x",
    ".hidden",
    "-rf",
    "a\\b",
    "a\0",
    "a\n",
    "é",
    "a b",
]
BAD += ["x" * 201, "a//b", "a/", "a/b/c/d/e"]


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    for schema in (NAMES, PATHS):
        with pytest.raises(ValidationError):
            schema.validate_python(name)
    with pytest.raises(ValueError, match="is no name of a file here"):
        plain_path(name)


@pytest.mark.parametrize("name", ["generator.safetensors", "train-0123.tar", "_x", "a..b", "1"])
def test_taken(name: str) -> None:
    assert NAMES.validate_python(name) == PATHS.validate_python(name) == plain_path(name) == name
    assert plain_path(f"grids/{name}") == f"grids/{name}"


@given(st.text(max_size=30))
@example("a/../../b")
@example("a\n")
def test_the_two_spellings_agree_and_none_leads_out(path: str) -> None:
    try:
        PATHS.validate_python(path)
    except ValidationError:
        with pytest.raises(ValueError, match="no name of a file"):
            plain_path(path)
    else:
        assert Path("/folder", plain_path(path)).resolve().is_relative_to("/folder")
