"""Whole scenes in training: read beside the portraits, drawn into batches."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.corpora.pairs import read_people
from models.networks.stylematte import StyleMatte, preset
from models.training.matting.own_scenes import CONTRAST, draw_scenes
from models.training.matting.step import MattingTrainer, MattingTraining

SIDE = 64
RED, GREEN = (250, 5, 5), (5, 250, 5)


def person() -> np.ndarray:
    """A red square on the lower half of a picture."""
    rgba = np.zeros((SIDE, SIDE, 4), np.uint8)
    rgba[..., :3], rgba[SIDE // 2 :, 16:48, 3] = RED, 255
    return rgba


def in_green() -> np.ndarray:
    """The same over green, with its alpha."""
    rgba = person()
    return np.where(rgba[..., 3:] > 0, rgba, (*GREEN, 0)).astype(np.uint8)


def corpus(path: Path, **members: np.ndarray) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, pixels in members.items():
            key, _, suffix = name.partition("__")
            content = io.BytesIO()
            image = Image.fromarray(pixels)
            image.save(content, suffix.upper().replace("JPG", "JPEG"), lossless=True)
            entry = tarfile.TarInfo(f"{key.replace('_', '.')}.{suffix}")
            entry.size = len(content.getvalue())
            tar.addfile(entry, io.BytesIO(content.getvalue()))
    return path


def test_scenes_are_read_beside_their_portraits(tmp_path: Path) -> None:
    scene = in_green()[..., :3]
    corpus(tmp_path / "a.tar", a_image__png=scene, a_rgba__webp=person())
    corpus(tmp_path / "b.tar", b_rgba__png=person())
    people, scenes = read_people(tmp_path)
    np.testing.assert_array_equal(people[..., 3], [person()[..., 3]] * 2)
    np.testing.assert_array_equal(scenes, in_green()[None])
    assert len(read_people(tmp_path / "b.tar")[1]) == 0


def test_people_are_read_in_any_layout_and_brought_to_one_size(tmp_path: Path) -> None:
    for name, side in (("a", SIDE), ("b", 2 * SIDE)):
        for kind, pixels in (("image", in_green()[..., :3]), ("mask", person()[..., 3])):
            (tmp_path / kind).mkdir(exist_ok=True)
            picture = Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)
            picture.save(tmp_path / kind / f"{name}.png")
    with pytest.raises(ValueError, match="2 sizes: choose one by --size"):
        read_people(tmp_path)
    people, scenes = read_people(tmp_path, SIDE)
    assert people.shape == scenes.shape == (2, SIDE, SIDE, 4)
    np.testing.assert_array_equal(scenes, [in_green()] * 2)
    red = people[:, SIDE // 2 + 8 : -8, 24:40]
    assert np.abs(red[..., :3].astype(int) - RED).max() <= 2
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="no picture with its alpha"):
        read_people(tmp_path / "none")


def test_alpha_moves_with_the_scene() -> None:
    batch = draw_scenes(in_green()[None], count=16, size=48, rng=np.random.default_rng(0))
    red = batch.image[:, 0] > batch.image[:, 1]
    assert ((batch.alpha[:, 0] > 0.5) == red).float().mean() > 0.97
    assert torch.unique(batch.contrast).tolist() == [CONTRAST]


def test_a_step_shows_some_people_in_their_scenes() -> None:
    options = MattingTraining(steps=1, sizes=(48,), batch_pixels=32 * 48**2, scene_share=0.5)
    grey = np.full((1, SIDE, SIDE, 3), 128, np.uint8)
    network = StyleMatte(preset("micro"))
    with_scenes = MattingTrainer(network, options, person()[None], grey, in_green()[None])
    batch = with_scenes._draw(32, 48, np.random.default_rng(0))
    whole = (batch.contrast == CONTRAST).all(dim=(1, 2, 3)).sum()
    assert len(batch.image) == 32
    assert 8 < whole < 24
    without = MattingTrainer(network, options, person()[None], grey, in_green()[None][:0])
    assert (without._draw(32, 48, np.random.default_rng(0)).contrast != CONTRAST).any()
