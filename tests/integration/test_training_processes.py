"""One adversarial step by two processes is one by a single process with the whole batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.checkpoint import load_checkpoint
from models.cpu_tuning import CPU_TUNING
from models.training.gan_data import Corpus

KIMG = 0.008  # one step of the preset's batch
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(24, 4, 5, 5, generator=rng)
    images = torch.nn.functional.interpolate(coarse, 32, mode="bilinear", align_corners=True) * 255
    return Corpus(images=images.byte(), keys=tuple(str(i) for i in range(24)))


def train(folder: Path, corpus: Corpus, program: str, *launcher: str) -> dict[str, torch.Tensor]:
    """The state after one step of a program of models/training."""
    folder.mkdir(exist_ok=True)
    corpus.save(folder / "corpus-exact.pt")
    command = [sys.executable, *launcher, "-m", *(["--"] if launcher else []), f"models.training.{program}"]
    options = ["--run", str(folder), "--preset", "tiny-32", "--seed", "3"]
    steps = 2 if program == "gan" else 1
    environment = os.environ | CPU_TUNING | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*command, *options, "--kimg", str(KIMG * steps)], check=True, env=environment, timeout=240)
    name = {"gan": "gan", "warm_start": "warm-start"}[program]
    return dict(load_checkpoint(folder / f"{name}.state.safetensors", kind="stylemattegan-training").state)


def test_two_processes_are_one_with_the_whole_batch(corpus: Corpus, tmp_path: Path) -> None:
    """Adam's first moments are the gradients; weights are not compared, since Adam makes whole steps of rounding."""
    for program in ("warm_start", "gan"):
        one = train(tmp_path / "one", corpus, program)
        for name in ("warm-start.state.safetensors",):
            if program == "gan":  # both go on from the same state
                (tmp_path / "two" / name).write_bytes((tmp_path / "one" / name).read_bytes())
        two = train(tmp_path / "two", corpus, program, *TORCHRUN)
        assert one.keys() == two.keys()
        assert torch.equal(one["rng"], two["rng"])
        compared = [key for key in one if key.endswith("exp_avg") or "magnitude" in key or "balance" in key]
        assert len(compared) > 30
        for key in compared:
            scale = one[key].abs().max().clamp(min=1e-7)
            torch.testing.assert_close(
                two[key] / scale, one[key] / scale, rtol=0, atol=2e-3, msg=lambda m, k=key: f"{k}: {m}"
            )
