from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from models.networks.checkpoints.checkpoint import save_checkpoint
from models.networks.stylegan3 import build_generator
from models.training.gan.presets import PRESETS
from workers.commands.sample import sample


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = build_generator(PRESETS["tiny-32"].generator)
    path = tmp_path_factory.mktemp("model") / "generator.safetensors"
    save_checkpoint(
        path,
        kind="stylemattegan-generator",
        config=network.config.to_dict(),
        state=network.state_dict(),
    )
    return path


def run(model: Path, *arguments: object) -> Result:
    return CliRunner().invoke(sample, ["--model", str(model), *map(str, arguments)])


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def tiles(path: Path) -> np.ndarray:
    """[rows, columns, 32, 32, 3]."""
    sheet = pixels(path)
    height, width, _ = sheet.shape
    return sheet.reshape(height // 32, 32, width // 32, 32, 3).swapaxes(1, 2)


def test_a_seed_is_the_same_picture_in_every_sheet(checkpoint: Path, tmp_path: Path) -> None:
    for seeds, name in (("1-9", "nine"), ("3,9", "two")):
        done = run(checkpoint, "--seeds", seeds, "--grid", tmp_path / f"{name}.png")
        assert done.exit_code == 0, done.output
    nine, two = tiles(tmp_path / "nine.png"), tiles(tmp_path / "two.png")
    assert nine.shape[:2] == (2, 8)
    assert np.abs(nine[0, 2].astype(int) - two[0, 0]).max() <= 1
    assert np.abs(nine[1, 0].astype(int) - two[0, 1]).max() <= 1
    assert np.abs(nine[0, 0].astype(int) - nine[0, 1]).max() > 10


def test_cut_outs_have_the_alpha(checkpoint: Path, tmp_path: Path) -> None:
    assert run(checkpoint, "--seeds", "5", "--out", tmp_path).exit_code == 0
    assert run(checkpoint, "--seeds", "5", "--grid", tmp_path / "a.png", "--alpha").exit_code == 0
    alpha = pixels(tmp_path / "5.png")[..., 3]
    assert np.abs(tiles(tmp_path / "a.png")[0, 1][..., 0].astype(int) - alpha).max() <= 1


def test_a_walk_goes_from_seed_to_seed(checkpoint: Path, tmp_path: Path) -> None:
    done = run(checkpoint, "--seeds", "1-3", "--walk", tmp_path / "w.png", "--steps", 5)
    assert done.exit_code == 0, done.output
    assert run(checkpoint, "--seeds", "1-3", "--grid", tmp_path / "g.png").exit_code == 0
    walk, ends = tiles(tmp_path / "w.png").astype(int), tiles(tmp_path / "g.png").astype(int)[0]
    assert walk.shape[:2] == (2, 5)
    for row, (first, last) in enumerate(((0, 1), (1, 2))):
        assert np.abs(walk[row, 0] - ends[first]).max() <= 1
        assert np.abs(walk[row, -1] - ends[last]).max() <= 1


def test_mixing_all_layers_is_the_rows_own_and_one_layer_is_not(
    checkpoint: Path, tmp_path: Path
) -> None:
    for coarse, name in ((99, "all"), (1, "one")):
        done = run(
            checkpoint, "--seeds", "1-4", "--mix", tmp_path / f"{name}.png", "--coarse", coarse
        )
        assert done.exit_code == 0, done.output
    every, one = (tiles(tmp_path / f"{name}.png").astype(int) for name in ("all", "one"))
    assert every.shape[:2] == (3, 3)
    assert np.abs(every[1, 1] - every[1, 0]).max() <= 1
    assert np.abs(one[1, 1] - one[1, 0]).max() > 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seeds", "1-4"), "nothing to draw"),
        (("--seeds", "4-1", "--grid", "x.png"), "runs backwards"),
        (("--seeds", "a", "--grid", "x.png"), "no seed and no range"),
        (("--seeds", "4", "--walk", "x.png"), "two seeds or more"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    checkpoint: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = run(checkpoint, *arguments)
    assert done.exit_code == 2
    assert said in done.output


def test_a_file_that_is_no_generator_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    done = run(tmp_path / "x.safetensors", "--grid", tmp_path / "x.png")
    assert done.exit_code == 1
    assert "is no generator" in done.output
