"""What tests/benchmarks/matte_memory.py tells, and that it is what the how-to states."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "matte_memory.py"


def peak_mib(*arguments: str) -> float:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"peak (\d+) MiB", done.stdout)
    assert found is not None, done.stdout
    return float(found[1])


def test_the_measurement_runs():
    assert peak_mib("64", "--side", "64", "--network", "micro") > 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("side", "most_gib"), [(1024, 1.8), (2048, 1.9)])
def test_a_network_of_the_paper_s_size_keeps_to_the_stated_memory(side, most_gib):
    assert peak_mib("2048", "--side", str(side)) <= most_gib * 1024
