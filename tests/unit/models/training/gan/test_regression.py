from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from models.networks.checkpoints.load import load_generator
from models.training.gan import adversarial
from models.training.gan import regression as regression_module
from models.training.gan.corpus import Corpus
from models.training.gan.presets import PRESETS
from models.training.gan.regression import PictureCodes, Regression
from models.training.gan.trainer import GanTraining

TINY = PRESETS["tiny-32"]
MAPPING = {"num_layers": 4, "lr_multiplier": 0.05}
SHORT = replace(TINY, generator={**TINY.generator, "z_dim": 6, "mapping_kwargs": MAPPING})


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Dark discs and bright squares, twelve of each, none quite like another."""
    rng = torch.Generator().manual_seed(0)
    steps = ((torch.arange(32) + 0.5) / 16 - 1).abs()
    disc = (steps.square() + steps.square()[:, None] < 0.5).float()
    square = (torch.maximum(steps, steps[:, None]) < 0.6).float()
    subject = torch.stack([disc, square]).repeat_interleave(12, 0)[:, None]
    colour = torch.rand(24, 3, 1, 1, generator=rng)
    scene = colour * subject + torch.rand(24, 3, 1, 1, generator=rng) * (1 - subject)
    scene = scene / 8 + 0.4 * subject * (torch.arange(24) >= 12)[:, None, None, None]
    images = (torch.cat([scene, subject], 1) * 255).byte()
    keys = tuple(str(i) for i in range(24))
    return Corpus(images=images, keys=keys, groups=(0,) * 12 + (1,) * 12)


def test_a_code_begins_with_its_group(corpus: Corpus) -> None:
    codes = PictureCodes(corpus.images, torch.tensor(corpus.groups), 6)
    z = codes(torch.arange(48))
    assert z.shape == (48, 6)
    assert (z[:, :2].argmax(1) == torch.tensor(corpus.groups * 2)).all()
    torch.testing.assert_close(z[:, :2].square().mean(), torch.tensor(1.0))
    assert z[:, 2:].mean(0).abs().max() < 1e-5
    assert (z[:, 2:].std(0) - 1).abs().max() < 1e-5


def test_a_picture_and_its_mirror_image_have_codes_of_their_own(corpus: Corpus) -> None:
    images = corpus.images.clone()
    images[:, :3, :, 16:] //= 2
    codes = PictureCodes(images, torch.zeros(24, dtype=torch.long), 6)
    z = codes(torch.arange(48))
    assert (z[:24] - z[24:]).norm(dim=1).min() > 0.1
    torch.testing.assert_close(z, codes(torch.arange(48)))  # one group: nothing is drawn


def test_what_was_learnt_is_whitened(corpus: Corpus) -> None:
    codes = PictureCodes(corpus.images, torch.tensor(corpus.groups), 6)
    torch.nn.init.normal_(codes.learnt.weight, mean=2.0)
    codes.whiten()
    total = (codes.components + codes.learnt.weight).detach()
    for group in (0, 1):
        assert total[codes.groups == group].mean(0).abs().max() < 1e-5
    assert (total.std(0) - 1).abs().max() < 1e-5


@pytest.mark.parametrize("z_dim", [2, 48])
def test_a_code_needs_room_for_the_groups_and_more_pictures_than_numbers(
    corpus: Corpus, z_dim: int
) -> None:
    with pytest.raises(ValueError, match=f"z of {z_dim} numbers can't code 24 pictures of 2"):
        PictureCodes(corpus.images, torch.tensor(corpus.groups), z_dim)


def test_pictures_are_learnt_and_the_game_begins_with_them(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regression_module, "RAMP_STEPS", 5)
    monkeypatch.setattr(regression_module, "LR", 0.02)
    training = GanTraining(corpus, SHORT, seed=1)
    regression = Regression(training, kimg=1.0)
    distances = [regression.step()["pixels"] for _ in range(40)]
    assert sum(distances[-5:]) < 0.6 * sum(distances[:5])
    regression.hand_over()
    # Of one length, so that the network's normalisation leaves both as they are.
    code = torch.randn(48, 4, generator=torch.Generator().manual_seed(2))
    code = code * 2 / code.norm(dim=1, keepdim=True)
    group = torch.tensor(corpus.groups * 2)
    learnt_z = torch.cat([torch.nn.functional.one_hot(group, 2) * 2**0.5, code], 1)
    sign = (group[:, None] * 2.0 - 1) * 2**0.5
    drawn_z = torch.cat([sign, torch.zeros(48, 1), code], 1)
    with torch.no_grad():
        learnt = regression.inner_averaged.mapping(learnt_z)[:, 0]
        told = training.averaged.mapping(drawn_z)[:, 0]
    torch.testing.assert_close(told, learnt, rtol=1e-3, atol=1e-4)
    for own, handed in zip(
        training.generator.state_dict().values(), training.averaged.state_dict().values(),
        strict=True,
    ):  # fmt: skip
        assert torch.equal(own, handed)


def test_a_resumed_regression_goes_on_bit_for_bit(corpus: Corpus, tmp_path: Path) -> None:
    runs = [Regression(GanTraining(corpus, SHORT, seed=1), kimg=1.0) for _ in range(2)]
    runs[0].step()
    runs[0].state.save(tmp_path / "state.safetensors")
    runs[1].state.load(tmp_path / "state.safetensors")
    assert [run.step() for run in runs[:1]] == [run.step() for run in runs[1:]]
    modules = (run.state.modules.values() for run in runs)
    for own, other in zip(*modules, strict=True):
        for a, b in zip(own.state_dict().values(), other.state_dict().values(), strict=True):
            assert torch.equal(a, b)


def test_the_command_regresses_then_plays(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adversarial, "restart_tuned", lambda: None)
    monkeypatch.setitem(PRESETS, "tiny-32", SHORT)
    for picture, key, group in zip(corpus.images, corpus.keys, corpus.groups, strict=True):
        folder = tmp_path / "data" / ("discs", "squares")[group]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = picture.permute(1, 2, 0).numpy()
        Image.fromarray(pixels[..., :3]).save(folder / f"{key}.image.png")
        Image.fromarray(pixels[..., 3]).save(folder / f"{key}.alpha.png")
    run = tmp_path / "run"
    arguments = ["--data", str(tmp_path / "data"), "--run", str(run), "--preset", "tiny-32"]
    arguments += ["--regress", "0.04", "--kimg", "0.016"]
    result = CliRunner().invoke(adversarial.main, arguments)
    assert result.exit_code == 0, result.output
    assert Corpus.load(run / "corpus-exact.pt").groups.count(1) == 12
    regressed = load_generator(run / "regression.safetensors")
    played = load_generator(run / "gan.safetensors")
    assert regressed.config == played.config
    log = (run / "regression.jsonl").read_text()
    assert log.count("pixels") == 5
    CliRunner().invoke(adversarial.main, [*arguments, "--kimg", "0.032"])
    assert (run / "regression.jsonl").read_text() == log  # done once


def test_folders_need_room_in_the_mapping(corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="pictures of 2 folders need a preset"):
        Regression(GanTraining(corpus, TINY, seed=1), kimg=1.0)
