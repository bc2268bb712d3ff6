"""A short run of chaos.py; `make chaos SEED=1 FAULTS=200 DATASETS=20` is a long one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SEED, FAULTS, DATASETS = (
    os.environ.get(name, usual)
    for name, usual in (("SEED", "7"), ("FAULTS", "12"), ("DATASETS", "3"))
)


@pytest.mark.timeout(60 * 60)
def test_faults_over_datasets(bundle_folder: Path, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    options = ("--seed", SEED, "--faults", FAULTS, "--datasets", DATASETS, "--out", str(found))
    program = Path(__file__).with_name("chaos.py")
    done = subprocess.run(
        [sys.executable, str(program), "--bundle", str(bundle_folder), *options],
        env={**os.environ, "TMPDIR": "/tmp"},
        check=False,
    )
    told = json.loads(found.read_text())
    assert (done.returncode, told["wrong"]) == (0, [])
    assert told["outcomes"].get("same bytes", 0) >= int(DATASETS)
