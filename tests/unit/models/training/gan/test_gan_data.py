from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.imaging.tensors import to_pm1
from models.training.gan.alignment import Faces, align_faces, crop
from models.training.gan.corpus import (
    Corpus,
    aligned_heads,
    build_corpus,
    read_framed,
    read_rgba,
    smooth_backgrounds,
)

DATA = Path(__file__).parents[4] / "data"
COUNT = 24


@pytest.fixture(scope="module")
def portraits() -> torch.Tensor:
    return read_rgba(DATA)[1][:COUNT]


@pytest.fixture(scope="module")
def faces(portraits: torch.Tensor) -> Faces:
    return align_faces(portraits)


def test_crop_at_the_centre_is_the_image() -> None:
    image = torch.rand(2, 3, 16, 16)
    whole = Faces(x=torch.full((2,), 8.0), y=torch.full((2,), 8.0), scale=torch.ones(2))
    torch.testing.assert_close(crop(image, whole, 16, 16.0), image)


def test_crop_keeps_the_middle_at_half_the_scale() -> None:
    image = torch.rand(1, 1, 16, 16)
    middle = Faces(x=torch.tensor([8.0]), y=torch.tensor([8.0]), scale=torch.tensor([0.5]))
    torch.testing.assert_close(crop(image, middle, 8, 16.0), image[:, :, 4:12, 4:12])


def test_faces_follow_a_shift_of_the_pictures(portraits: torch.Tensor, faces: Faces) -> None:
    """Moved six pixels to the right, faces are found six pixels further right, for nearly all
    portraits."""
    moved = portraits.roll(6, 3)
    moved[..., :6] = 0
    found = align_faces(moved)
    assert ((found.x - faces.x - 6).abs() < 2).float().mean() > 0.8
    assert (found.y - faces.y).abs().median() < 1


def test_aligned_faces_agree_more_than_centred_pictures(portraits: torch.Tensor) -> None:
    """The face region is opaque in (nearly) every aligned crop, and alpha never leaves [0, 1]."""
    heads = aligned_heads(portraits, 64)
    assert heads.shape == (COUNT, 4, 64, 64)
    assert heads.min() >= 0
    assert heads.max() <= 1
    assert heads[:, 3, 24:34, 28:36].mean((1, 2)).gt(0.95).float().mean() > 0.9
    assert torch.all(heads[:, :3] <= heads[:, 3:] + 1e-4)


def test_backgrounds_are_smooth_and_differ() -> None:
    scenes = smooth_backgrounds(8, 32, torch.Generator().manual_seed(0))
    assert scenes.shape == (8, 3, 32, 32)
    assert scenes.abs().max() <= 1
    assert scenes.diff(dim=3).abs().max() < 0.1
    assert scenes.mean((2, 3)).std(0).min() > 0.1


def test_corpus_takes_alpha_from_the_labeller(tmp_path: Path) -> None:
    def label(scene: torch.Tensor) -> torch.Tensor:
        assert scene.shape[1:] == (3, 128, 128)
        assert scene.abs().max() <= 1.001
        return torch.full_like(scene[:, :1], 0.25)

    exact = build_corpus(DATA, scenes=2, seed=3)
    labelled = build_corpus(DATA, scenes=2, seed=3, labeller=label)
    assert len(exact) == 2 * len(exact.keys) == 200
    assert exact.scenes_per_subject == 2
    assert torch.equal(exact.images[:, :3], labelled.images[:, :3])
    assert labelled.images[:, 3].unique().tolist() == [64]
    assert exact.images[:, 3].float().mean() > 60
    assert not torch.equal(exact.images[0, :3], exact.images[1, :3])
    assert torch.equal(exact.images[0, 3], exact.images[1, 3])
    exact.save(tmp_path / "corpus.pt")
    again = Corpus.load(tmp_path / "corpus.pt")
    assert again.keys == exact.keys
    assert torch.equal(again.images, exact.images)


def test_batches_are_drawn_by_the_generator_and_mirrored() -> None:
    image = torch.zeros(1, 4, 8, 8, dtype=torch.uint8)
    image[..., :4] = 255
    corpus = Corpus(images=image, keys=("a",))
    batch = corpus.batch(32, torch.Generator().manual_seed(5))
    assert torch.equal(batch, corpus.batch(32, torch.Generator().manual_seed(5)))
    kept = (batch == to_pm1(image)).flatten(1).all(1)
    turned = (batch == to_pm1(image).flip(3)).flatten(1).all(1)
    assert bool((kept ^ turned).all())
    assert 4 < int(turned.sum()) < 28


def test_a_directory_without_portraits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no sample of"):
        read_rgba(tmp_path)


def test_rendered_people_are_read_as_the_renderer_writes_them(tmp_path: Path) -> None:
    """Scenes with 16-bit alpha beside their straight colours; a cut-out has no scene to learn."""
    random = np.random.default_rng(0)
    alpha = np.zeros((48, 64), np.uint16)
    alpha[8:40, 16:48] = 65535
    for key in ("000000", "000001"):
        scene = Image.fromarray(random.integers(0, 255, (48, 64, 3), np.uint8))
        scene.save(tmp_path / f"{key}.image.png")
        scene.save(tmp_path / f"{key}.fg.png")
        Image.fromarray(alpha).save(tmp_path / f"{key}.alpha.png")
    cut_out = np.dstack([np.full((48, 64, 3), 200), alpha // 257]).astype(np.uint8)
    Image.fromarray(cut_out).save(tmp_path / "person.png")
    corpus = read_framed(tmp_path, 24)
    assert corpus.keys == ("000000", "000001")
    assert corpus.images.shape == (2, 4, 24, 24)
    matte = torch.from_numpy(alpha[::2, 8:56:2].astype(np.int64) // 257)
    assert torch.equal(corpus.images[0, 3].long(), matte)


def test_a_folder_without_scenes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no picture with its alpha"):
        read_framed(tmp_path, 24)
