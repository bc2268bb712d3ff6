"""README and the documentation's pages: every block of commands and of Python runs as it stands.

A shell block that can't run here says why in its first line: `# not run in tests: REASON`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.stack import Stack

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "docs" / "howto").glob("*.md"))
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"^# not run in tests: \S.{8,}")


def blocks(page: Path) -> list[tuple[str, str]]:
    found = BLOCK.findall(page.read_text("utf-8"))
    return [(kind, text) for kind, text in found if not NOT_RUN.match(text)]


def test_there_is_something_to_run() -> None:
    assert sum(len(blocks(page)) for page in PAGES) >= 8


def test_no_block_hides_from_these_tests() -> None:
    for page in PAGES:
        opened = re.findall(r"^```\{?\.?(\w*)", page.read_text("utf-8"), re.MULTILINE)
        assert set(opened) <= {"", "sh", "python", "text", "json", "yaml"}, page.name


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem
)
def test_every_block_runs(page: Path, stack: Stack, tmp_path: Path) -> None:
    env = {
        **os.environ,
        "MATTEFORGE_URL": stack.url,
        "MATTEFORGE_API_KEY": stack.api_key,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    for kind, text in blocks(page):
        command = (
            ["bash", "-euo", "pipefail", "-c", text]
            if kind == "sh"
            else [sys.executable, "-c", text]
        )
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
