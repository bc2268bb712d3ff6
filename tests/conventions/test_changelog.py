"""CHANGELOG tells the version that is built."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_newest_version_told_is_the_one_that_is_built() -> None:
    """What `matteforge.__version__` says is in tests/e2e/test_wheel.py."""
    told = re.findall(
        r"^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert told[0] == project["version"]
    assert told == sorted(told, key=lambda name: [*map(int, name.split("."))], reverse=True)
