from dataclasses import replace
from pathlib import Path

import click
import pytest
import torch

from core.errors import CheckpointRejected
from models.networks.checkpoints.load import load_generator
from models.training.gan import adversarial, transfer
from models.training.gan.corpus import Corpus
from models.training.gan.fast_forward import generate
from models.training.gan.presets import PRESETS, GanPreset
from models.training.gan.state import save_generator
from models.training.gan.trainer import GanTraining

PERSONS = 4


def _narrow(size: int, layers: int) -> GanPreset:
    """One family of presets: each layer's cutoff is twice the one before."""
    of = PRESETS["portrait-64"]
    small = {"z_dim": 4, "w_dim": 4, "channel_base": 64, "channel_max": 4, "margin_size": 2}
    cutoffs = {"img_resolution": size, "num_layers": layers, "first_cutoff": 2.0}
    return replace(
        of,
        generator={**of.generator, **small, **cutoffs},
        critic={"channel_base": 256, "channel_max": 4},
        adversarial=replace(of.adversarial, batch=2, features_px=32),
    )


def _trainer(size: int, layers: int, seed: int) -> GanTraining:
    rng = torch.Generator().manual_seed(0)
    shape = (PERSONS, 4, size, size)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=rng)
    corpus = Corpus(images=images, keys=tuple(str(i) for i in range(PERSONS)))
    return GanTraining(corpus, _narrow(size, layers), seed)


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """The run of a generator and its discriminators at 64 px."""
    trainer = _trainer(64, 7, seed=1)
    save_generator(tmp_path / "gan.safetensors", trainer.generator, trainer.state.progress)
    trainer.state.save(tmp_path / "gan.state.safetensors")
    return tmp_path


def test_what_agrees_is_copied_and_new_layers_learn_to_draw_the_same(
    teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = _trainer(32, 6, seed=2)
    source = load_generator(teacher / "gan.safetensors")
    old, own = dict(source.named_parameters()), dict(trainer.generator.named_parameters())
    kept = [name for name in own if name in old and own[name].shape == old[name].shape]
    new = sorted(own.keys() - set(kept))
    assert kept
    assert new
    before = {name: own[name].clone() for name in new}
    monkeypatch.setattr(transfer, "FIT_STEPS", 30)
    monkeypatch.setattr(transfer, "FIT_BATCH", 4)
    z = torch.randn(8, 4, generator=torch.Generator().manual_seed(5))

    def distance() -> float:
        drawn = torch.nn.functional.interpolate(
            generate(source, z, torch.float32), 32, mode="bilinear", antialias=True
        )
        with torch.no_grad():
            return float((generate(trainer.generator, z, torch.float32) - drawn).abs().mean())

    line = transfer.start_from(trainer, teacher / "gan.safetensors")
    assert f"{len(kept)} of {len(own)} parameters taken over" in line
    assert all(torch.equal(own[name], old[name]) for name in kept)
    assert not any(torch.equal(own[name], before[name]) for name in new)
    fitted = distance()
    with torch.no_grad():
        for name in new:
            own[name].copy_(before[name])
    assert fitted < 0.8 * distance()


def test_discriminators_of_another_resolution_are_taken_over(teacher: Path) -> None:
    trainer = _trainer(32, 6, seed=2)
    weight = trainer.judge.state_dict()["heads.0.0.weight"].clone()
    line = transfer.start_from(trainer, teacher / "gan.state.safetensors")
    assert "d_features: 65 of 65 tensors taken over" in line
    assert not torch.equal(trainer.judge.state_dict()["heads.0.0.weight"], weight)


def test_a_generator_of_another_family_is_refused(teacher: Path) -> None:
    other = GanTraining(
        Corpus(images=torch.zeros(2, 4, 32, 32, dtype=torch.uint8), keys=("a", "b")),
        replace(
            _narrow(32, 6),
            generator={**_narrow(32, 6).generator, "z_dim": 8, "w_dim": 8, "channel_max": 8},
        ),
    )
    before = {name: tensor.clone() for name, tensor in other.generator.state_dict().items()}
    with pytest.raises(CheckpointRejected, match="z has 4 numbers there, 8 here"):
        transfer.start_from(other, teacher / "gan.safetensors")
    now = other.generator.state_dict()
    assert all(torch.equal(now[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"gama": 1}, "gama is no setting: there are batch, lr"), ({"batch": "many"}, "is a number")],
)
def test_settings_that_are_none_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(click.BadParameter, match=says):
        adversarial.changed_preset(PRESETS["tiny-32"], changes)


def test_settings_keep_their_kind() -> None:
    changed = adversarial.changed_preset(PRESETS["tiny-32"], {"batch": 4, "gamma": 1})
    assert changed.adversarial.batch == 4
    assert isinstance(changed.adversarial.gamma, float)
