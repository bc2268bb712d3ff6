"""Training of StyleMatte on a toy: it learns, it resumes exactly, its files load."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import CorpusRejected
from models.corpora.pairs import read_pairs, read_portraits, read_squares
from models.metrics.evaluate import evaluate_corpus, evaluate_pairs, read_pairs_of
from models.networks.checkpoints.checkpoint import save_checkpoint
from models.networks.checkpoints.load import load_stylematte
from models.networks.stylematte import StyleMatte, predict_alpha, preset
from models.scenes.backgrounds import background_bank, render_background
from models.scenes.procedural import SCENES
from models.training.matting.augment import draw_batch
from models.training.matting.train import MattingTrainer, MattingTraining, train_matting

PORTRAITS = Path(__file__).parents[4] / "data" / "portraits-000000.tar"
NETWORK = replace(preset("micro"), feature_size=32)
OPTIONS = MattingTraining(
    steps=4,
    sizes=(32, 64),
    batch_pixels=8 * 32 * 32,
    background_count=6,
    background_size=64,
    checkpoint_every=2,
    warmup_steps=1,
)


@pytest.fixture(scope="module")
def portraits() -> np.ndarray:
    return read_portraits([PORTRAITS])[:12]


def network() -> StyleMatte:
    torch.manual_seed(3)
    return StyleMatte(NETWORK)


def backgrounds() -> np.ndarray:
    return np.stack([np.full((64, 64, 3), value, np.uint8) for value in (0, 60, 200)])


def test_portraits_are_straight_rgba(portraits):
    assert portraits.shape == (12, 128, 128, 4)
    assert portraits.dtype == np.uint8
    assert 0.1 < (portraits[..., 3] > 127).mean() < 0.9
    with pytest.raises(ValueError, match=r"no sample of these tars has alpha\.png"):
        read_portraits([])


def test_shards_of_rendered_people_are_portraits_too(portraits, tmp_path):
    """Foreground and a 16-bit alpha, as orders of rendered people and `matteforge render` write
    them."""
    rgb, alpha = portraits[0, ..., :3], portraits[0, ..., 3]
    folder = tmp_path / "people"
    folder.mkdir()
    Image.fromarray(rgb).save(folder / "000000.fg.png")
    Image.fromarray(alpha.astype(np.uint16) * 257).save(folder / "000000.alpha.png")
    Image.fromarray(rgb).save(folder / "contact-sheet.png")
    with tarfile.open(tmp_path / "people.tar", "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    np.testing.assert_array_equal(read_portraits([tmp_path / "people.tar"]), portraits[:1])
    np.testing.assert_array_equal(read_squares([tmp_path / "people.tar"], 128), portraits[:1])


def test_portraits_of_several_sizes_are_refused(tmp_path):
    with tarfile.open(tmp_path / "mixed.tar", "w") as tar:
        for number, size in enumerate((32, 64)):
            path = tmp_path / f"{number}.rgba.png"
            Image.fromarray(np.zeros((size, size, 4), np.uint8)).save(path)
            tar.add(path, path.name)
    with pytest.raises(ValueError, match="2 sizes"):
        read_portraits([tmp_path / "mixed.tar"])


def test_batches_follow_from_their_seed(portraits):
    first, again, other = (
        draw_batch(portraits, backgrounds(), count=4, size=64, rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    image, alpha = first.image, first.alpha
    assert (tuple(image.shape), tuple(alpha.shape)) == ((4, 3, 64, 64), (4, 1, 64, 64))
    assert -1 <= image.min() < image.max() <= 1
    assert 0 <= alpha.min() < alpha.max() <= 1
    assert torch.equal(image, again.image)
    assert torch.equal(alpha, again.alpha)
    assert not torch.equal(image, other.image)


def test_composites_show_the_background_where_alpha_is_zero(portraits):
    empty = portraits.copy()
    empty[..., 3] = 0
    batch = draw_batch(empty, backgrounds(), count=8, size=64, rng=np.random.default_rng(0))
    assert batch.alpha.max() == 0
    opaque = portraits.copy()
    opaque[..., 3] = 255
    assert (
        draw_batch(
            opaque, backgrounds(), count=8, size=64, rng=np.random.default_rng(0)
        ).alpha.mean()
        > 0.8
    )
    assert batch.image.std(dim=(2, 3)).max() < 0.2


@pytest.mark.parametrize("scene", [scene for scene, _ in SCENES], ids=lambda scene: scene.__name__)
def test_scenes_are_pictures(scene):
    pictures = [scene(np.random.default_rng(seed), 48) for seed in range(3)]
    for picture in pictures:
        assert picture.shape == (48, 48, 3)
        assert np.isfinite(picture).all()
        assert picture.max() <= 2.0
    assert not np.array_equal(pictures[0], pictures[1])


def test_background_bank_is_made_once(tmp_path):
    path = tmp_path / "bank.npy"
    bank = background_bank(path, count=3, size=32, seed=5)
    written = path.stat().st_mtime_ns
    assert np.array_equal(background_bank(path, count=3, size=32, seed=5), bank)
    assert path.stat().st_mtime_ns == written
    expected = np.rint(render_background(np.random.default_rng((5, 1)), 32) * 255)
    assert np.array_equal(bank[1], expected)
    with pytest.raises(ValueError, match="count or size"):
        background_bank(path, count=4, size=32, seed=5)


def test_the_network_learns(portraits):
    options = replace(OPTIONS, sizes=(32,), batch_pixels=8 * 32 * 32, warmup_steps=5, steps=60)
    trainer = MattingTrainer(network(), options, portraits, backgrounds())
    losses = [trainer.train_step()["l1"] for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_a_resumed_run_equals_an_uninterrupted_one(portraits, tmp_path):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    whole.mkdir()
    list(train_matting(network(), OPTIONS, portraits, portraits[:6], whole))
    halves.mkdir()
    interrupted = train_matting(network(), OPTIONS, portraits, portraits[:6], halves)
    assert [next(interrupted)["step"] for _ in range(3)] == [1, 2, 3]
    resumed = list(train_matting(network(), OPTIONS, portraits, portraits[:6], halves))
    assert [scalars["step"] for scalars in resumed] == [3, 4]
    for name in ("ema.safetensors", "state.safetensors"):
        assert (whole / name).read_bytes() == (halves / name).read_bytes()
    logged = [json.loads(line) for line in (whole / "scalars.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in logged if "val_mad" in entry] == [2, 4]
    assert all((whole / "grids" / f"{step:07d}.png").exists() for step in (2, 4))


def test_published_weights_evaluate(portraits, tmp_path, pairs_tar):
    list(
        train_matting(
            network(), replace(OPTIONS, steps=2), portraits, portraits[:6], tmp_path / "run"
        )
    )
    checkpoint = tmp_path / "run" / "ema.safetensors"
    report = evaluate_corpus(checkpoint, [pairs_tar], worst=2, out_dir=tmp_path / "worst")
    assert report["count"] == 3
    assert len(report["digest"]) == 64
    first, second = report["worst"]
    assert first["mad"] >= second["mad"] > 0
    assert {path.stem for path in (tmp_path / "worst").iterdir()} == {first["key"], second["key"]}
    matte, pairs = load_stylematte(checkpoint), list(read_pairs(pairs_tar))
    image = torch.from_numpy(pairs[0][1]).permute(2, 0, 1)[None]
    with torch.no_grad():
        by_hand = np.abs(predict_alpha(matte, image)[0, 0].numpy() - pairs[0][2]).mean()
    assert evaluate_pairs(matte, pairs[:1])["mad"] == pytest.approx(by_hand, abs=1e-5)


def test_evaluation_needs_pairs(tmp_path):
    with pytest.raises(ValueError, match="no pairs"):
        evaluate_pairs(network().eval(), [])
    (tmp_path / "empty").mkdir()
    matte = network()
    path = tmp_path / "matte.safetensors"
    save_checkpoint(
        path, kind="stylematte", config=matte.config.to_dict(), state=matte.state_dict()
    )
    with pytest.raises(CorpusRejected, match="no pairs of picture and alpha in empty"):
        evaluate_corpus(path, [tmp_path / "empty"])


def test_pairs_are_found_in_every_layout(pairs_tar, portraits, tmp_path):
    p3m = tmp_path / "p3m"
    for folder in ("image", "mask"):
        (p3m / folder).mkdir(parents=True)
    Image.fromarray(portraits[0][..., :3]).save(p3m / "image" / "0.png")
    Image.fromarray(portraits[0][..., 3]).save(p3m / "mask" / "0.png")
    rgba = tmp_path / "rgba"
    rgba.mkdir()
    Image.fromarray(portraits[0]).save(rgba / "0.rgba.png")
    expected = next(read_pairs(pairs_tar))
    for source in (pairs_tar, p3m):
        key, image, alpha = next(read_pairs_of([source]))
        assert key == "0"
        assert np.array_equal(image, expected[1])
        assert np.array_equal(alpha, expected[2])
    [(_, image, alpha)] = read_pairs_of([rgba])
    assert np.array_equal(alpha, expected[2])
    solid = alpha == 1
    assert np.allclose(image[solid], expected[1][solid], atol=1e-6)
    assert np.abs(image[alpha == 0] - expected[1][alpha == 0]).mean() > 0.01


@pytest.fixture
def pairs_tar(tmp_path: Path, portraits: np.ndarray) -> Path:
    path = tmp_path / "pairs.tar"
    with tarfile.open(path, "w") as archive:
        for key, portrait in enumerate(portraits[:3]):
            for suffix, picture in (
                ("image.png", portrait[..., :3]),
                ("alpha.png", portrait[..., 3]),
            ):
                file = tmp_path / f"{key}.{suffix}"
                Image.fromarray(picture).save(file)
                archive.add(file, file.name)
    return path


def test_the_head_alone_can_be_trained_and_resumed(portraits, tmp_path):
    options = replace(OPTIONS, trained="head")
    trainer = MattingTrainer(network(), options, portraits, backgrounds())
    trainer.train_step()
    trainer.state.save(tmp_path / "state.safetensors")
    resumed = MattingTrainer(network(), options, portraits, backgrounds())
    resumed.state.load(tmp_path / "state.safetensors")
    assert trainer.train_step() == resumed.train_step()
    before = network().state_dict()
    changed = {
        name
        for name, tensor in resumed.network.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert {name.partition(".")[0] for name in changed} == {"fpn", "conv"}
    assert "conv.weight" in changed


def test_half_precision_stays_near_full_precision(portraits):
    """CUDA's mixed precision, by the same autocast on the CPU."""
    matte, image = (
        network(),
        draw_batch(portraits, backgrounds(), count=2, size=64, rng=np.random.default_rng(0)).image,
    )
    exact = predict_alpha(matte, image)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = predict_alpha(matte, image)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.05
    rounded.mean().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in matte.parameters())


def test_contrast_makes_the_composite(portraits):
    """Where a portrait is opaque, the composite differs from its background by the contrast."""
    opaque = portraits[:2].copy()
    opaque[..., 3] = 255
    opaque[..., :3] = 200
    batch = draw_batch(
        opaque, np.zeros((1, 64, 64, 3), np.uint8), count=6, size=32, rng=np.random.default_rng(1)
    )
    assert batch.contrast.shape == batch.image.shape
    assert batch.contrast.max() > 0.3
    assert batch.contrast.min() >= 0
