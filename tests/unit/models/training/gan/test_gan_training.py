import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from core.errors import TrainingDiverged
from models.imaging.tensors import to_pm1
from models.metrics.generator_card import (
    agreement,
    describe_generator,
    sample_images,
    write_contact_sheet,
)
from models.networks.checkpoints.load import load_generator
from models.networks.stylematte import StyleMatte, preset
from models.training.ema import ema_beta, update_ema
from models.training.gan import adversarial
from models.training.gan.adversarial import Adversarial
from models.training.gan.corpus import Corpus
from models.training.gan.loop import BROKEN_IN_A_ROW, publish, train
from models.training.gan.presets import PRESETS
from models.training.gan.state import fold_prior, measure_statistics
from models.training.gan.warm_start import WarmStart, WhiteLatent

Trainer = WarmStart | Adversarial
TINY = PRESETS["tiny-32"]
MATCHING = replace(PRESETS["embedded-64"].adversarial, energy_bank=16)
UNANCHORED = replace(TINY, adversarial=replace(TINY.adversarial, anchored=False))


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


def build(kind: str, corpus: Corpus) -> Trainer:
    if kind == "warm start":
        return WarmStart(corpus, seed=1, preset=TINY)
    presets = {
        "adversarial": TINY,
        "unanchored": UNANCHORED,
        "matching": replace(TINY, adversarial=MATCHING),
    }
    return Adversarial(corpus, presets[kind], seed=1)


@pytest.fixture(scope="module", params=["warm start", "adversarial", "unanchored", "matching"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_resumed_run_goes_on_bit_for_bit(kind: str, corpus: Corpus, tmp_path: Path) -> None:
    whole = build(kind, corpus)
    whole.step()
    whole.state.save(tmp_path / "state.safetensors")
    expected = [whole.step(), whole.step()]
    resumed = build(kind, corpus)
    resumed.state.load(tmp_path / "state.safetensors")
    assert [resumed.step(), resumed.step()] == expected
    for name, module in whole.state.modules.items():
        for key, tensor in module.state_dict().items():
            assert torch.equal(tensor, resumed.state.modules[name].state_dict()[key]), (
                f"{name}.{key}"
            )
    assert resumed.state.progress == whole.state.progress


def test_the_second_stage_starts_from_the_first(corpus: Corpus, tmp_path: Path) -> None:
    warm = WarmStart(corpus, seed=1, preset=TINY)
    warm.step()
    publish(warm, tmp_path, "warm-start")
    adversarial = Adversarial(corpus, TINY, seed=2)
    adversarial.state.load(tmp_path / "warm-start.state.safetensors")
    assert adversarial.state.progress.images == warm.state.progress.images
    for name in ("g", "g_ema", "e", "latent"):
        for key, tensor in warm.state.modules[name].state_dict().items():
            assert torch.equal(tensor, adversarial.state.modules[name].state_dict()[key])
    published = load_generator(tmp_path / "warm-start.safetensors")
    z = torch.randn(4, TINY.generator["z_dim"])
    fold_prior(warm.averaged, warm.latent.prior_root())
    measure_statistics(warm.averaged)
    assert torch.equal(published(z), warm.averaged(z))
    assert next((tmp_path / "grids").glob("*.png")).stat().st_size > 1000


def test_a_stage_has_its_length_wherever_it_begins(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adversarial, "restart_tuned", lambda: None)
    runs = [tmp_path / name for name in ("first", "second")]
    for run in runs:
        run.mkdir()
        corpus.save(run / "corpus-exact.pt")
    warm = WarmStart(corpus, seed=1, preset=TINY)
    warm.state.progress.images = 100
    warm.state.save(runs[0] / "warm-start.state.safetensors")
    state = runs[0] / "gan.state.safetensors"

    def sharpen(run: Path, kimg: str, *options: str) -> int:
        arguments = ["--run", str(run), "--preset", "tiny-32", "--kimg", kimg, *options]
        result = CliRunner().invoke(adversarial.main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        trainer = Adversarial(corpus, TINY)
        trainer.state.load(run / "gan.state.safetensors")
        return trainer.state.progress.images

    assert sharpen(runs[0], "0.016") == 116
    assert sharpen(runs[0], "0.032") == 132  # the same stage, made longer
    assert sharpen(runs[1], "0.016", "--resume", str(state)) == 148  # a new one
    assert sharpen(runs[1], "0.016") == 148


def test_a_compact_state_is_small_and_loads(corpus: Corpus, tmp_path: Path) -> None:
    whole = Adversarial(corpus, TINY, seed=1)
    whole.step()
    whole.state.save_compact(tmp_path / "state.safetensors", forget=["d_rgba"])
    assert (tmp_path / "state.safetensors").stat().st_size < 12_000_000
    resumed = Adversarial(corpus, TINY, seed=2)
    resumed.state.load(tmp_path / "state.safetensors")
    for ours, theirs in zip(
        whole.generator.parameters(), resumed.generator.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    assert resumed.state.optimizers["g"].state_dict()["state"]
    assert not resumed.state.optimizers["d_rgba"].state_dict()["state"]
    assert resumed.step()["total"] == pytest.approx(whole.step()["total"], rel=0.05)


def test_reconstruction_improves(corpus: Corpus) -> None:
    warm = WarmStart(corpus, seed=1, preset=TINY)
    warm.state.progress.images = 1000  # the learning rate's warm-up is over
    losses = [warm.step()["total"] for _ in range(20)]
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


def test_codes_begin_as_whitened_components_and_tell_hues_apart(corpus: Corpus) -> None:
    warm = WarmStart(corpus, seed=1, preset=TINY)
    with torch.no_grad():
        pictures = to_pm1(corpus.images)
        codes = warm.encoder(torch.cat([pictures, pictures.flip(3)]))
        turned = warm.encoder(pictures[:, [1, 2, 0, 3]])  # as bright as before, another hue
    spread = torch.cov(codes.t(), correction=0)
    torch.testing.assert_close(spread, torch.eye(16), atol=1e-3, rtol=0)
    assert (turned - codes[:24]).norm(dim=1).mean() > 0.5 * codes.norm(dim=1).mean()


def test_fewer_pictures_than_codes_are_enough() -> None:
    corpus = Corpus(images=torch.randint(256, (2, 4, 32, 32), dtype=torch.uint8), keys=("a", "b"))
    assert torch.isfinite(
        WarmStart(corpus, seed=1, preset=TINY).encoder(to_pm1(corpus.images))
    ).all()


def test_a_step_that_is_not_finite_changes_no_weight(corpus: Corpus) -> None:
    warm = WarmStart(corpus, seed=1, preset=TINY)
    warm.loss.feature_weight = float("nan")
    before = copy.deepcopy(warm.generator)
    warm.step()
    for old, new in zip(before.parameters(), warm.generator.parameters(), strict=True):
        assert torch.equal(old, new)


def test_a_run_that_breaks_for_good_is_given_up(corpus: Corpus, tmp_path: Path) -> None:
    class Broken(WarmStart):
        steps = 0

        def step(self) -> dict[str, float]:
            self.steps += 1
            return {"total": float("nan") if self.steps != 5 else 1.0}

    broken = Broken(corpus, seed=1, preset=TINY)
    with pytest.raises(TrainingDiverged, match="not finite"):
        train(broken, tmp_path, "warm-start", 1, 1e9, lambda stage: True)
    assert broken.steps == 5 + BROKEN_IN_A_ROW


def test_the_generator_stands_still_in_the_discriminators_lead(corpus: Corpus) -> None:
    settings = replace(TINY.adversarial, lead_kimg=0.016, total_kimg=0.08)
    stage = Adversarial(corpus, replace(TINY, adversarial=settings), seed=1)
    before, judge = copy.deepcopy(stage.generator), copy.deepcopy(stage.rgba)
    stage.step(), stage.step()
    assert all(
        torch.equal(a, b)
        for a, b in zip(before.parameters(), stage.generator.parameters(), strict=True)
    )
    assert not torch.equal(judge.net.b4.out.weight, stage.rgba.net.b4.out.weight)
    stage.step(), stage.step()
    assert not torch.equal(
        before.mapping.get_parameter("fc0.weight"),
        stage.generator.mapping.get_parameter("fc0.weight"),
    )


def test_real_backgrounds_are_used(corpus: Corpus) -> None:
    bank = torch.full((3, 3, 32, 32), 255, dtype=torch.uint8)
    stage = Adversarial(corpus, TINY, seed=1, backgrounds=bank)
    views = stage._views(torch.full((2, 4, 32, 32), -1.0))
    assert torch.equal(views, torch.cat([torch.ones(2, 3, 32, 32), -torch.ones(2, 3, 32, 32)]))


def test_the_averages_half_life_grows_with_the_run() -> None:
    assert ema_beta(0, 8, 1000, 0.05) < 1e-9
    assert ema_beta(160, 8, 1000, 0.05) == pytest.approx(0.5)
    assert ema_beta(10**6, 8, 1000, 0.05) == pytest.approx(0.5 ** (8 / 1000))


def test_codes_lie_on_the_sphere_and_collapse_costs() -> None:
    latent, rng = WhiteLatent(16), torch.Generator().manual_seed(0)
    spread = torch.randn(4096, 16, generator=rng)
    collapsed = spread[:, :1] * torch.ones(16)
    latent.rate = 1.0
    z, low = latent(spread, rng)
    assert abs(z.square().mean().item() - 1) < 0.02
    assert latent(collapsed, rng)[1] > 10 * low


def test_the_folded_prior_has_the_codes_moments() -> None:
    latent = WhiteLatent(8, rate=1.0)
    codes = torch.randn(20000, 8, generator=torch.Generator().manual_seed(0)) * torch.linspace(
        0.2, 3, 8
    )
    z, _ = latent(codes, torch.Generator().manual_seed(1))
    drawn = torch.randn(20000, 8, generator=torch.Generator().manual_seed(2)) @ latent.prior_root()
    torch.testing.assert_close(drawn.t() @ drawn / 20000, z.t() @ z / 20000, atol=0.06, rtol=0.06)


def test_latent_in_eval_mode_learns_nothing() -> None:
    latent = WhiteLatent(4).eval()
    latent(torch.randn(8, 4) + 5, torch.Generator().manual_seed(0))
    assert torch.equal(latent.mean, torch.zeros(4))
    assert torch.equal(latent.moment, torch.eye(4))


def test_ema_moves_parameters_and_copies_buffers() -> None:
    source, average = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    with torch.no_grad():
        source.weight.fill_(3.0)
        source.running_mean.fill_(7.0)
    update_ema(average, source, 0.75)
    assert average.weight.tolist() == [1.5] * 3
    assert average.running_mean.tolist() == [7.0] * 3


def test_calibration_measures_the_copy_itself(corpus: Corpus) -> None:
    generator = WarmStart(corpus, seed=1, preset=TINY).averaged
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
    generator = WarmStart(corpus, seed=1, preset=TINY).averaged
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
    write_contact_sheet(tmp_path / "sheet.png", generator)
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    assert torch.equal(sample_images(generator, 3, 0.7, 5), sample_images(generator, 3, 0.7, 5))
