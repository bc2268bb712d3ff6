import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from core.errors import CheckpointRejected, TrainingDiverged
from models.metrics.generator_card import (
    agreement,
    describe_generator,
    sample_images,
    write_contact_sheet,
)
from models.networks.checkpoints.checkpoint import load_checkpoint
from models.networks.checkpoints.load import load_generator
from models.networks.stylematte import StyleMatte, preset
from models.training.ema import ema_beta, update_ema
from models.training.gan import adversarial
from models.training.gan.corpus import Corpus
from models.training.gan.loop import BROKEN_IN_A_ROW, publish, train
from models.training.gan.presets import PRESETS
from models.training.gan.state import measure_statistics
from models.training.gan.trainer import GanTraining

TINY = PRESETS["tiny-32"]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Twelve discs of different colours, sizes and backgrounds, two scenes each."""
    rng = torch.Generator().manual_seed(0)
    steps = (torch.arange(32) + 0.5) / 16 - 1
    radius = 0.4 + 0.3 * torch.rand(12, 1, 1, 1, generator=rng)
    disc = (
        (steps.square()[None] + steps.square()[:, None] < radius.square())
        .float()
        .repeat_interleave(2, 0)
    )
    colour = torch.rand(12, 3, 1, 1, generator=rng).repeat_interleave(2, 0)
    scene = colour * disc + torch.rand(24, 3, 1, 1, generator=rng) * (1 - disc)
    images = (torch.cat([scene, disc], 1) * 255).byte()
    return Corpus(images=images, keys=tuple(str(i) for i in range(12)))


@pytest.fixture
def trainer(corpus: Corpus) -> GanTraining:
    return GanTraining(corpus, TINY, seed=1)


def test_a_resumed_run_goes_on_bit_for_bit(
    trainer: GanTraining, corpus: Corpus, tmp_path: Path
) -> None:
    trainer.step()
    trainer.state.save(tmp_path / "state.safetensors")
    for _ in range(2):
        trainer.step()
    resumed = GanTraining(corpus, TINY, seed=1)
    resumed.state.load(tmp_path / "state.safetensors")
    for _ in range(2):
        resumed.step()
    for name, module in trainer.state.modules.items():
        for key, tensor in module.state_dict().items():
            assert torch.equal(tensor, resumed.state.modules[name].state_dict()[key]), (
                f"{name}.{key}"
            )
    assert resumed.state.progress == trainer.state.progress


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_goes_twenty_steps_at_a_tiny_width(name: str) -> None:
    of = PRESETS[name]
    size = 32  # the same code at every size
    narrow = {"img_resolution": size, "channel_base": 128, "channel_max": 4, "num_layers": 4}
    narrow |= {"z_dim": 4, "w_dim": 4, "first_cutoff": 2.0, "margin_size": 2}
    critic = {"channel_base": 4 * size, "channel_max": 4}
    small = replace(
        of,
        generator={**of.generator, **narrow},
        critic=critic,
        adversarial=replace(of.adversarial, batch=2, features_px=64),
    )
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (4, 4, size, size), dtype=torch.uint8, generator=rng)
    stage = GanTraining(Corpus(images=images, keys=tuple("abcd")), small, seed=1)
    before = copy.deepcopy(stage.generator)
    for _ in range(20):
        stage.step()
    assert stage.state.progress.images == 40
    assert all(torch.isfinite(p).all() for p in stage.averaged.parameters())
    assert float(stage.figures["skipped"]) == 0
    assert stage.augmentation.p.is_floating_point()
    moved = zip(before.parameters(), stage.generator.parameters(), strict=True)
    assert not any(torch.equal(old, new) for old, new in moved)


def test_the_discriminators_learn_to_tell(corpus: Corpus) -> None:
    settings = replace(TINY.adversarial, lr=0.0, augment_start=0.0, augment_least=0.0, gamma=0.01)
    stage = GanTraining(corpus, replace(TINY, adversarial=settings), seed=1)
    seen = [scalars for _ in range(33) if (scalars := stage.step())]
    assert seen[-1]["d_rgba"] < 1.2  # 2 log 2, 1.386, is guessing
    assert seen[-1]["d_features"] < 1.6  # 2 is


def test_a_corpus_of_another_size_is_refused(corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="32 px, the preset 64 px"):
        GanTraining(corpus, PRESETS["portrait-64"])


def test_the_program_trains_goes_on_and_takes_up_a_generator(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adversarial, "restart_tuned", lambda: None)
    runs = [tmp_path / name for name in ("first", "second", "third")]
    for run in runs:
        run.mkdir()
        corpus.save(run / "corpus-exact.pt")

    def images(run: Path, kimg: str, *options: str) -> int:
        arguments = ["--run", str(run), "--preset", "tiny-32", "--kimg", kimg, *options]
        result = CliRunner().invoke(adversarial.main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        stage = GanTraining(corpus, TINY)
        stage.state.load(run / "gan.state.safetensors")
        return stage.state.progress.images

    state, generator = runs[0] / "gan.state.safetensors", runs[0] / "gan.safetensors"
    assert images(runs[0], "0.016") == 16
    assert images(runs[0], "0.032") == 32  # the same stage, made longer
    assert images(runs[1], "0.016", "--resume", str(state)) == 48  # a new one
    assert images(runs[1], "0.016") == 48
    assert images(runs[2], "0.008", "--resume", str(generator)) == 8
    assert not (runs[2] / "snapshots").exists()
    assert images(runs[2], "0.024", "--keep-every", "0.016") == 24
    (kept,) = (runs[2] / "snapshots").iterdir()
    assert kept.name == "gan-00000016.safetensors"
    assert load_checkpoint(kept, kind="stylemattegan-generator").extra["kimg"] == 0.0
    assert kept.read_bytes() != (runs[2] / "gan.safetensors").read_bytes()
    assert load_generator(generator).config.img_resolution == 32
    assert next((runs[0] / "grids").glob("*.png")).stat().st_size > 1000


def test_a_generator_of_another_preset_is_refused(trainer: GanTraining, tmp_path: Path) -> None:
    publish(trainer, tmp_path, "gan")
    other = GanTraining.__new__(GanTraining)
    wider = {**TINY.generator, "w_dim": 8}
    other.generator = adversarial.load_generator(tmp_path / "gan.safetensors")
    other.generator.config = type(other.generator.config).from_dict(wider)
    with pytest.raises(CheckpointRejected, match="another preset"):
        adversarial.begin_with(other, tmp_path / "gan.safetensors")


def test_what_is_published_is_the_average(trainer: GanTraining, tmp_path: Path) -> None:
    trainer.step()
    publish(trainer, tmp_path, "gan")
    published = load_generator(tmp_path / "gan.safetensors")
    measure_statistics(trainer.averaged)
    z = torch.randn(4, TINY.generator["z_dim"])
    assert torch.equal(published(z), trainer.averaged(z))


def test_a_compact_state_is_small_and_loads(
    trainer: GanTraining, corpus: Corpus, tmp_path: Path
) -> None:
    trainer.step()
    trainer.state.save_compact(tmp_path / "state.safetensors", forget=["d_rgba"])
    assert (tmp_path / "state.safetensors").stat().st_size < 12_000_000
    resumed = GanTraining(corpus, TINY, seed=2)
    resumed.state.load(tmp_path / "state.safetensors")
    for ours, theirs in zip(
        trainer.generator.parameters(), resumed.generator.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    assert resumed.state.optimizers["g"].state_dict()["state"]
    assert not resumed.state.optimizers["d_rgba"].state_dict()["state"]


def test_a_step_that_is_not_finite_changes_no_weight(trainer: GanTraining) -> None:
    trainer.bank.fill_(float("nan"))
    before = copy.deepcopy(trainer.generator)
    trainer.step()
    for old, new in zip(before.parameters(), trainer.generator.parameters(), strict=True):
        assert torch.equal(old, new)
    assert float(trainer.figures["skipped"]) >= 1


def test_a_run_that_breaks_for_good_is_given_up(corpus: Corpus, tmp_path: Path) -> None:
    class Broken(GanTraining):
        taken = 0

        def step(self) -> dict[str, float]:
            self.taken += 1
            return {"g_rgba": float("nan") if self.taken != 5 else 1.0}

    broken = Broken(corpus, TINY, seed=1)
    with pytest.raises(TrainingDiverged, match="not finite"):
        train(broken, tmp_path, "gan", 1, 1e9, lambda stage: True)
    assert broken.taken == 5 + BROKEN_IN_A_ROW


def test_real_backgrounds_are_used(corpus: Corpus) -> None:
    bank = torch.full((3, 3, 32, 32), 255, dtype=torch.uint8)
    stage = GanTraining(corpus, TINY, seed=1, backgrounds=bank)
    views = stage._views(torch.full((2, 4, 32, 32), -1.0))
    assert torch.equal(views[:1], -torch.ones(1, 3, 32, 32))
    assert torch.equal(views[1:], torch.ones(1, 3, 32, 32))


def test_the_averages_half_life_grows_with_the_run() -> None:
    assert ema_beta(0, 8, 1000, 0.05) < 1e-9
    assert ema_beta(160, 8, 1000, 0.05) == pytest.approx(0.5)
    assert ema_beta(10**6, 8, 1000, 0.05) == pytest.approx(0.5 ** (8 / 1000))


def test_ema_moves_parameters_and_copies_buffers() -> None:
    source, average = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    with torch.no_grad():
        source.weight.fill_(3.0)
        source.running_mean.fill_(7.0)
    update_ema(average, source, 0.75)
    assert average.weight.tolist() == [1.5] * 3
    assert average.running_mean.tolist() == [7.0] * 3


def test_calibration_measures_the_copy_itself(corpus: Corpus) -> None:
    generator = GanTraining(corpus, TINY, seed=1).averaged
    betas = [layer.magnitude_ema_beta for layer in generator.synthesis.layers()]
    for layer in generator.synthesis.layers():
        layer.magnitude_ema.fill_(100.0)
    measure_statistics(generator)
    assert all(layer.magnitude_ema < 50 for layer in generator.synthesis.layers())
    assert [layer.magnitude_ema_beta for layer in generator.synthesis.layers()] == betas
    assert generator.mapping.w_avg.abs().sum() > 0


def test_agreement_of_two_alphas_by_hand() -> None:
    images = torch.zeros(2, 4, 4, 4)
    images[:, 3] = -1
    images[:, 3, :2] = 1

    def half_as_wide(scene: torch.Tensor) -> torch.Tensor:
        alpha = torch.zeros_like(scene[:, :1])
        alpha[:, :, :2, :2] = 1
        return alpha

    assert agreement(images, half_as_wide) == {"mad": 0.25, "iou_median": 0.5, "iou_above_0.9": 0.0}


def test_the_card_has_its_references(corpus: Corpus, tmp_path: Path) -> None:
    generator = GanTraining(corpus, TINY, seed=1).averaged
    matte = StyleMatte(preset("micro")).eval()
    report = describe_generator(generator, corpus, corpus, count=5, matte=matte)
    assert report["images_a_set"] == 5
    for network in ("resnet", "stylematte"):
        for view in ("rgb_over_grey", "alpha"):
            figures = report["distances"][network][view]
            assert set(figures) == {"mean_image_frechet", "real_against_real", "psi_1", "psi_0.7"}
            for name in ("frechet", "precision", "recall"):
                assert (
                    figures["psi_1"][name]["low"]
                    <= figures["psi_1"][name]["value"]
                    <= figures["psi_1"][name]["high"]
                )
    for psi in ("psi_1", "psi_0.7"):
        assert report[psi]["nearest_training_image"]["pixels"]["held_out_minimum"] < 1e-5
        assert report[psi]["nearest_training_image"]["pixels"]["minimum"] > 0
        assert report[psi]["sharpness"]["real"] > 0
    write_contact_sheet(tmp_path / "sheet.png", generator)
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    assert torch.equal(sample_images(generator, 3, 0.7, 5), sample_images(generator, 3, 0.7, 5))
