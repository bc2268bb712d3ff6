"""The check of conventions finds what it is for, and is content with this repository."""

import runpy
from pathlib import Path

import pytest

CHECKS = runpy.run_path(str(Path(__file__).with_name("conventions.py")))
LONG = 'def f(\n    a,\n    b,\n):\n    """Two\n    lines."""\n' + "".join(
    f"    x = {n}\n" for n in range(41)
)


@pytest.mark.parametrize(
    ("check", "files", "told"),
    [
        ("long_files", {"core/a.py": "x = 1\n" * 251}, "core/a.py: 251 lines; 250"),
        ("long_files", {"models/networks/a.py": "x = 1\n" * 321}, "321 lines; 320"),
        ("long_functions", {"core/a.py": LONG}, "core/a.py:1: f has 41 lines"),
        ("fragments", {"core/a.py": '"""Of the samples."""\n'}, "core/a.py:1: a docstring begins"),
        ("fragments", {"core/a.py": 'x = 1\n"""As before."""\n'}, "core/a.py:2: a docstring"),
        (
            "untyped_fixtures",
            {"tests/a.py": "@pytest.fixture\ndef made(store, n: int = 1): ...\n"},
            "tests/a.py:2: fixture made lacks types: store, its result",
        ),
        (
            "untyped_fixtures",
            {"tests/a.py": '@pytest.fixture(scope="module")\ndef made(n: int): ...\n'},
            "fixture made lacks types: its result",
        ),
        (
            "shared_names",
            {"core/a.py": "def read():\n    pass\n", "models/b.py": "class read:\n    pass\n"},
            "read is defined in core/a.py:1, models/b.py:1",
        ),
    ],
)
def test_what_breaks_a_convention_is_told(check: str, files: dict[str, str], told: str) -> None:
    (problem,) = CHECKS[check]({Path(name): text for name, text in files.items()})
    assert told in problem


@pytest.mark.parametrize(
    ("check", "files"),
    [
        ("long_files", {"core/a.py": "x = 1\n" * 250, "models/kernels/b.py": "x = 1\n" * 320}),
        ("long_functions", {"core/a.py": LONG.replace("    x = 40\n", "")}),
        ("long_functions", {"models/a.py": "@triton.jit\n" + LONG}),
        ("long_functions", {"tests/a.py": LONG}),
        ("fragments", {"core/a.py": '"""Offers a sample."""\nx = "Of all"\n'}),
        ("untyped_fixtures", {"tests/a.py": "@pytest.fixture\ndef a(n: int) -> int: ...\n"}),
        ("untyped_fixtures", {"tests/a.py": "def helper(n): ...\n"}),
        ("shared_names", {"core/a.py": "def _read(): ...\n", "core/b.py": "def _read(): ...\n"}),
        (
            "shared_names",
            {"core/a.py": "def read(): ...\n", "matteforge/b.py": "def read(): ...\n"},
        ),
        (
            "shared_names",
            {
                "service/a.py": "@router.get('/')\ndef read(): ...\n",
                "core/b.py": "def read(): ...\n",
            },
        ),
    ],
)
def test_what_keeps_them_is_not_told(check: str, files: dict[str, str]) -> None:
    assert list(CHECKS[check]({Path(name): text for name, text in files.items()})) == []


def test_the_repository_keeps_them() -> None:
    assert CHECKS["problems"](CHECKS["ROOT"]) == []
