"""The cycle from corpora to promotion, on tiny sizes: what it leaves, what a second turn does, what
the gate stops."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from matteforge.schemas.criteria import check_thresholds
from matteforge.schemas.training import STAGES, RunState, Stage
from models.networks.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from models.networks.checkpoints.load import load_generator, load_stylematte
from workers.cycle import run_cycle as module


def test_a_run_goes_through_every_stage_and_makes_the_first_champion(forge_after_one_run, tmp_path):
    forge, run_id = forge_after_one_run
    view = forge.runs.view(run_id)
    assert view.state is RunState.COMPLETED
    assert [done.stage for done in view.stages] == list(STAGES)
    assert view.progress.fraction == 1
    assert any("gate" in line for line in view.progress.log)
    digest = forge.registry.resolve("people")
    assert digest == view.end.bundle == forge.registry.resolve("people@candidate")
    bundle = forge.registry.bundle(digest)
    assert bundle.card["run"] == run_id
    assert bundle.card["corpora"]["people"]["licence"] == "CC0-1.0"
    assert (
        bundle.card["stylematte"]["test"]["mad"]["low"]
        <= bundle.card["stylematte"]["test"]["mad"]["value"]
    )
    check_thresholds(bundle.thresholds)
    folder = forge.registry.fetch(digest, tmp_path)
    assert (
        load_generator(folder / "generator.safetensors").config.img_resolution
        == bundle.resolution
        == 32
    )
    load_stylematte(folder / "stylematte.safetensors")


def test_every_stage_works_on_the_workers_device(forge_after_one_run):
    forge, _ = forge_after_one_run
    assert forge.strays == set()


def test_a_run_that_has_ended_is_left_alone(fork):
    forge = fork()
    run_id = next(forge.runs.ids())
    before = dict(forge.store._objects)
    assert forge.run(run_id).state is RunState.COMPLETED
    assert forge.store._objects == before


def test_the_second_turn_starts_from_the_champion_and_its_labels(fork):
    forge = fork()
    champion = forge.registry.resolve("people")
    view = forge.run(forge.order())
    stages = {done.stage: done for done in view.stages}
    assert stages[Stage.BASELINE].figures["champion"] == champion
    relabelled = {done.stage: done for done in forge.runs.view(first_run(forge)).stages}[
        Stage.RELABEL
    ]
    assert stages[Stage.LABEL].files["corpus.pt"] == relabelled.files["corpus.pt"]
    assert any("labelled before" in line for line in view.progress.log)


def test_the_second_turn_trains_the_champions_generator_on(fork):
    forge = fork()
    seen = stage_figures(forge, first_run(forge), Stage.ADVERSARIAL)["images"]
    goes_on = forge.run(forge.order())
    assert any("goes on from" in line for line in goes_on.progress.log)
    assert stage_figures(forge, goes_on.record.id, Stage.WARM_START)["images"] == seen + 16
    assert stage_figures(forge, goes_on.record.id, Stage.ADVERSARIAL)["images"] == seen + 32
    anew = forge.run(forge.order(continue_generator=False, seed=1))
    assert stage_figures(forge, anew.record.id, Stage.ADVERSARIAL)["images"] == 32


def test_a_generator_that_begins_anew_may_begin_with_a_regression(fork):
    forge = fork()
    wanted = {"continue_generator": False, "regression_kimg": 0.016}
    done = forge.run(forge.order(**wanted, warm_start_kimg=0, adversarial_kimg=0))
    assert done.state is RunState.COMPLETED, done.end.error
    generators = {
        stage: stage_figures(forge, done.record.id, stage)["generator"]
        for stage in (Stage.WARM_START, Stage.ADVERSARIAL)
    }
    warm = next(found for found in done.stages if found.stage is Stage.WARM_START)
    assert {"regression.state.safetensors", "grids/regression-00000.png"} <= set(warm.files)
    assert len(set(generators.values())) == 1  # no game: the regression's, as it is
    history = forge.registry.bundle(done.end.bundle).card
    assert history["run"] == done.record.id
    without = forge.run(forge.order(continue_generator=False, warm_start_kimg=0, seed=0))
    assert stage_figures(forge, without.record.id, Stage.WARM_START)["images"] == 0
    assert stage_figures(forge, without.record.id, Stage.WARM_START)["generator"] not in set(
        generators.values()
    )


def stage_figures(forge, run_id, stage):
    return next(done.figures for done in forge.runs.view(run_id).stages if done.stage is stage)


def first_run(forge):
    return min((record.created_at, record.id) for record in forge.runs.requests())[1]


def test_a_planted_worse_candidate_is_registered_but_not_promoted(fork, monkeypatch):
    forge = fork()
    champion = forge.registry.resolve("people")
    plant(monkeypatch, Stage.ADVERSARIAL, "gan.safetensors", glaring)
    plant(monkeypatch, Stage.FINE_TUNE, "stylematte.safetensors", spoiled)
    view = forge.run(forge.order())
    decision = {done.stage: done for done in view.stages}[Stage.GATE].figures
    assert (view.state, view.end.promoted, decision["passed"]) == (RunState.COMPLETED, False, False)
    assert decision["difference"]["value"] > 0
    assert decision["generator"]["passed"] is False
    assert decision["generator"]["views"]["alpha"]["difference"]["low"] > 0
    assert forge.registry.resolve("people") == champion
    assert forge.registry.resolve("people@candidate") == view.end.bundle != champion
    assert forge.registry.bundle(view.end.bundle).card["gate"]["passed"] is False


def plant(monkeypatch, stage, file, change):
    """Replace what a stage leaves with something worse."""
    honest = module.FUNCTIONS[stage]

    def planted(job, context):
        figures = honest(job, context)
        path = job.folder(stage) / file
        kind = "stylematte" if file.startswith("stylematte") else "stylemattegan-generator"
        checkpoint = load_checkpoint(path, kind=kind)
        save_checkpoint(path, kind=kind, config=checkpoint.config, state=change(checkpoint.state))
        return figures

    monkeypatch.setitem(module.FUNCTIONS, stage, planted)


def spoiled(state):
    """Answers with the opposite of what was learned."""
    return {name: -tensor if name.startswith("conv.") else tensor for name, tensor in state.items()}


def glaring(state):
    """All colours and alpha at their ends."""
    last = max(
        name for name in state if name.startswith("synthesis.L") and name.endswith("_4.weight")
    )
    return {name: tensor * 1000 if name == last else tensor for name, tensor in state.items()}


def test_the_gate_compares_both_generators_over_the_corpus(fork):
    forge = fork()
    view = forge.run(forge.order())
    decision = {done.stage: done for done in view.stages}[Stage.GATE].figures["generator"]
    assert sorted(decision["views"]) == ["alpha", "rgb_over_grey"]
    figures = decision["views"]["alpha"]
    assert figures["difference"]["value"] == pytest.approx(
        figures["candidate"]["value"] - figures["champion"]["value"]
    )
    assert decision["images"] == 16
    evaluated = {done.stage: done for done in view.stages}[Stage.EVALUATE]
    assert {"generator-candidate.png", "generator-champion.png"} <= {
        Path(name).name for name in evaluated.grids
    }
    assert any("StyleMatteGAN" in line for line in view.progress.log)


@pytest.mark.parametrize("better", ["stylematte", "generator"])
def test_a_network_that_passes_is_promoted_beside_the_champions_other_one(
    fork, monkeypatch, tmp_path, better
):
    forge = fork()
    before = forge.registry.fetch(forge.registry.resolve("people"), tmp_path)

    def only_one(job, context):
        figures = honest(job, context)
        figures["generator"]["passed"] = better == "generator"
        return {**figures, "passed": better == "stylematte"}

    honest = module.FUNCTIONS[Stage.GATE]
    monkeypatch.setitem(module.FUNCTIONS, Stage.GATE, only_one)
    view = forge.run(forge.order())
    assert view.end.promoted
    assert forge.registry.resolve("people") == view.end.bundle
    after = forge.registry.fetch(view.end.bundle, tmp_path)
    same = {
        name: (before / f"{name}.safetensors").read_bytes()
        == (after / f"{name}.safetensors").read_bytes()
        for name in ("stylematte", "generator")
    }
    assert same == {"stylematte": better != "stylematte", "generator": better != "generator"}
    assert forge.registry.training_state(view.end.bundle, tmp_path / "state")


def test_a_champion_that_changed_meanwhile_is_not_replaced(fork, monkeypatch):
    forge = fork()
    run_id = forge.order()
    other = forge.registry.resolve("people")

    def meanwhile(job, context):
        figures = honest(job, context)
        forge.registry.move_alias("people", "champion", "sha256:" + "1" * 64, reason="by hand")
        return {**figures, "passed": True}

    honest = module.FUNCTIONS[Stage.GATE]
    monkeypatch.setitem(module.FUNCTIONS, Stage.GATE, meanwhile)
    view = forge.run(run_id)
    assert view.end.promoted is False
    assert forge.registry.aliases("people").current("champion") == "sha256:" + "1" * 64 != other


def test_a_cancelled_run_ends_at_once_and_keeps_what_it_has(fork):
    forge = fork()
    run_id = forge.order()
    forge.runs.cancel(run_id, forge.runs.request(run_id).created_at)
    view = forge.run(run_id)
    assert (view.state, view.stages) == (RunState.CANCELLED, [])
    assert forge.runs.active() == []


def test_an_error_in_a_stage_fails_the_run_with_its_reason(fork, monkeypatch):
    forge = fork()

    def broken(job, context):
        raise ValueError("the moon is wrong")

    monkeypatch.setitem(module.FUNCTIONS, Stage.BASELINE, broken)
    view = forge.run(forge.order())
    assert view.state is RunState.FAILED
    assert view.end.error.code == "internal"
    assert "the moon is wrong" in view.end.error.detail


def test_a_time_budget_ends_training_with_what_it_has(fork):
    forge = fork()
    view = forge.run(forge.order(stage_budget_s=0.001, warm_start_kimg=1000.0, matting_steps=24))
    assert view.state is RunState.COMPLETED
    stages = {done.stage: done for done in view.stages}
    assert stages[Stage.WARM_START].figures["images"] < 1000
    assert stages[Stage.FINE_TUNE].figures["step"] < 24


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
