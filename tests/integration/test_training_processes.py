"""One adversarial step by two processes is one by a single process with the whole batch."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.kernels.cpu_tuning import CPU_TUNING
from models.networks.checkpoints.checkpoint import load_checkpoint
from models.training.gan.corpus import Corpus

KIMG = 0.008  # one step of the preset's batch
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(24, 4, 5, 5, generator=rng)
    images = torch.nn.functional.interpolate(coarse, 32, mode="bilinear", align_corners=True) * 255
    return Corpus(images=images.byte(), keys=tuple(str(i) for i in range(24)))


STATE = "gan.state.safetensors"


def train(folder: Path, corpus: Corpus, steps: int, *launcher: str) -> dict[str, torch.Tensor]:
    """The state once the program has done `steps`, going on from where the folder's state is."""
    folder.mkdir(exist_ok=True)
    corpus.save(folder / "corpus-exact.pt")
    separated = ["--"] if launcher else []
    command = [sys.executable, *launcher, "-m", *separated, "models.training.gan.adversarial"]
    options = ["--run", str(folder), "--preset", "tiny-32", "--seed", "3"]
    options += ["--precision", "float32"]  # bfloat16 rounds more than a batch in two parts does
    environment = os.environ | CPU_TUNING | {"OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*command, *options, "--kimg", str(KIMG * steps)], check=True, env=environment, timeout=240
    )
    return dict(load_checkpoint(folder / STATE, kind="stylemattegan-training").state)


def apart_by(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return ((actual - expected).abs().max() / expected.abs().max().clamp(min=1e-7)).item()


def test_two_processes_are_one_with_the_whole_batch(corpus: Corpus, tmp_path: Path) -> None:
    """Adam's first moments are the gradients; weights are not compared, since Adam makes whole
    steps of rounding.

    For the same reason each step starts from the same state: the single process'. Gradients jump
    where a rounding error takes an activation across a kink of the frozen network or of a
    discriminator's head: the half of the tensors that no jump reaches agrees to 1e-5 of its largest
    value, and no jump moves one by 2e-2; half a batch would move all.
    """
    for steps in (1, 2):
        one = train(tmp_path / "one", corpus, steps)
        two = train(tmp_path / "two", corpus, steps, *TORCHRUN)
        assert one.keys() == two.keys()
        assert torch.equal(one["rng"], two["rng"])
        compared = [
            key for key in one if key.endswith("exp_avg") or "magnitude" in key or "balance" in key
        ]
        assert len(compared) > 30
        apart = {key: apart_by(two[key], one[key]) for key in compared}
        assert statistics.median(apart.values()) < 1e-5
        assert max(apart.values()) < 2e-2, apart
        (tmp_path / "two" / STATE).write_bytes((tmp_path / "one" / STATE).read_bytes())
