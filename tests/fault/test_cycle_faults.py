"""A trainer is paused and killed in every stage; two trainers take the same run. What comes out is
what a calm run makes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.training.runs import TrainingRuns
from matteforge.schemas.training import STAGES, RunState, Stage

HERE = Path(__file__).parent
PORTRAITS = HERE.parent / "data" / "portraits-000000.tar"


@pytest.fixture
def trainer(stores_env: dict[str, str], tmp_path: Path) -> Callable[..., list[str]]:
    """Runs one command of cycle_driver.py against this test's stores, and returns its lines."""
    env = {
        **stores_env,
        "MATTEFORGE_LEASE_TTL_S": "1",
        "MATTEFORGE_LEASE_RENEW_S": "0.2",
        "MATTEFORGE_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }

    def run(*command: str, cache: str = "cache") -> list[str]:
        arguments = [sys.executable, str(HERE / "cycle_driver.py"), *command]
        done = subprocess.run(
            arguments,
            env={**env, "MATTEFORGE_CACHE_DIR": str(tmp_path / cache)},
            capture_output=True,
            text=True,
            timeout=550,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.splitlines()

    return run


@pytest.mark.timeout(600)
def test_a_run_killed_in_each_stage_makes_what_a_calm_one_makes(trainer, s3_store):
    calm, troubled = trainer("prepare", str(PORTRAITS))[-1].split()
    told = trainer("two-at-once", calm)
    assert len({line.split()[0] for line in told}) == 1, (
        "one trainer works, the other finds the lease held"
    )
    assert [line.split()[1] for line in told] == list(STAGES)

    fates = trainer("kill-in-each-stage", troubled, cache="another-machine")
    assert fates == [*(f"{stage} 1 -9" for stage in STAGES), "last 0 0"]

    first, second = (TrainingRuns(s3_store).view(run_id) for run_id in (calm, troubled))
    assert first.state is second.state is RunState.COMPLETED
    assert any("goes on" in line for line in second.progress.log)
    for stage, file in (
        (Stage.BASELINE, "stylematte.safetensors"),
        (Stage.LABEL, "corpus.pt"),
        (Stage.SAMPLE, "accepted.tar"),  # follows from every weight of the generator
        (Stage.FINE_TUNE, "stylematte.safetensors"),
        (Stage.EVALUATE, "scores.json"),
    ):
        made = [
            next(done.files[file] for done in view.stages if done.stage is stage)
            for view in (first, second)
        ]
        assert made[0] == made[1], f"{stage}/{file}"
