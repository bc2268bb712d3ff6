"""Documents that send a reader to a file name one that is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES += sorted(path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "reports")
FOLDERS = ("core", "deploy", "docs", "matteforge", "models", "service", "tests", "workers")
NAMED = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`")
GUIDES = sorted((ROOT / "models").rglob("README.md"))


@pytest.mark.parametrize("page", [*filter(Path.exists, PAGES), *GUIDES], ids=lambda page: page.name)
def test_every_file_it_names_is_there(page: Path) -> None:
    missing = [
        name for name in NAMED.findall(page.read_text("utf-8")) if not (ROOT / name).exists()
    ]
    assert missing == []
