from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from models.metrics.generator_curve import main
from models.networks.stylegan3 import build_generator
from models.training.gan.corpus import Corpus
from models.training.gan.presets import PRESETS
from models.training.gan.state import save_generator
from models.training.run_state import TrainingProgress


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (12, 4, 32, 32), dtype=torch.uint8, generator=rng)
    Corpus(images=images, keys=tuple(map(str, range(12)))).save(tmp_path / "corpus.pt")
    return tmp_path / "corpus.pt"


def test_each_state_has_a_line_and_the_corpus_the_last(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "gan-00050.safetensors"
    generator = build_generator(PRESETS["tiny-32"].generator).eval()
    progress = TrainingProgress()
    progress.images = 50_000
    save_generator(path, generator, progress)
    arguments = ["--corpus", str(corpus), "--count", "6", str(path), str(path)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    head, rule, first, second, last = result.stdout.splitlines()
    assert head.count("|") == rule.count("|") == first.count("|")
    assert first == second
    assert first.startswith("| 50.0 | ")
    distance = float(first.split("|")[2])
    own = float(last.split("|")[2])
    assert distance > 2 * own > 0  # what was never trained is no noise
    assert last.startswith("| the corpus itself | ")


def test_a_corpus_of_too_few_pictures_is_refused(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "g.safetensors").touch()
    result = CliRunner().invoke(main, ["--corpus", str(corpus), str(tmp_path / "g.safetensors")])
    assert result.exit_code == 1
    assert "the corpus has 12 pictures, 600 are needed" in result.output
