"""The engine on real networks: what a candidate depends on, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.bundle import BUNDLE_FILE, load_bundle_folder
from core.datasets.plan import Plan, make_plan
from core.datasets.splits import candidate_seed
from core.errors import CheckpointRejected
from matteforge.schemas.criteria import BY_NAME
from matteforge.schemas.orders import DatasetSpec
from models.imaging.pixels import to_unit
from models.imaging.tensors import rgb_from_u8
from models.networks.checkpoints.load import load_stylematte
from models.networks.stylegan3 import build_generator
from workers.bundles import GENERATOR_FILE, STYLEMATTE_FILE, assemble
from workers.generate.candidate import Candidate
from workers.generate.generated_sampler import GeneratedSampler
from workers.generate.scores import score_agreement, score_subjects


@pytest.fixture(scope="module")
def engine(bundle_folder: Path) -> GeneratedSampler:
    return GeneratedSampler.from_folder(bundle_folder, device="cpu")


def plan(**changes: object) -> Plan:
    spec = DatasetSpec(count=100, shard_size=10)
    made = make_plan(
        spec, seed=1, bundle="sha256:" + "b" * 64, thresholds={}, batch_size=4, threads=1,
        max_attempts_per_sample=2,
    )  # fmt: skip
    return made.model_copy(update=changes)


def first(engine: GeneratedSampler, made: Plan, shard: int = 0) -> list[Candidate]:
    return next(engine.candidates(made, shard))


def same(first: list[Candidate], second: list[Candidate]) -> bool:
    return all(
        (a.attempt, a.seed, a.scores) == (b.attempt, b.seed, b.scores)
        and (a.rgb_u8 == b.rgb_u8).all()
        and (a.alpha == b.alpha).all()
        for a, b in zip(first, second, strict=True)
    )


def test_batches_are_whole_ordered_and_bounded(engine: GeneratedSampler) -> None:
    made = plan(max_attempts_per_sample=1)
    batches = list(engine.candidates(made, 3))
    attempts = [candidate.attempt for batch in batches for candidate in batch]
    assert attempts == list(range(made.max_attempts(3)))
    assert {len(batch) for batch in batches} == {4}
    assert batches[1][2].seed == candidate_seed(1, 3, 6)


def test_equal_plans_give_equal_candidates(engine: GeneratedSampler, bundle_folder: Path) -> None:
    expected = first(engine, plan())
    other = GeneratedSampler.from_folder(bundle_folder, device="cpu")
    next(other.candidates(plan(), 7))
    torch.manual_seed(99)
    assert same(expected, first(other, plan()))


def test_candidates_do_not_depend_on_thresholds_or_order_size(engine: GeneratedSampler) -> None:
    assert same(
        first(engine, plan()), first(engine, plan(count=1, shard_size=1, thresholds={"mad": 0.0}))
    )


def test_stylematte_sees_what_passes_the_cheap_checks_alone(
    engine: GeneratedSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = first(engine, plan())
    limit = sorted(candidate.scores["coverage"] for candidate in everyone)[
        2
    ]  # the fourth is above it
    seen, matte = [], engine.matte
    monkeypatch.setattr(engine, "matte", lambda image: seen.append(len(image)) or matte(image))
    some = first(engine, plan(thresholds={"coverage_max": limit}))
    assert seen == [3]
    for candidate, known in zip(some, everyone, strict=True):
        assert (candidate.rgb_u8 == known.rgb_u8).all()
        if known.scores["coverage"] <= limit:
            assert candidate.scores == pytest.approx(known.scores, abs=1e-5)
        else:
            assert candidate.scores.keys() == {"coverage", "connectedness"}


@pytest.mark.parametrize("change", [{"seed": 2}, {"truncation_psi": 0.3}])
def test_candidates_depend_on_seed_and_psi(
    engine: GeneratedSampler, change: dict[str, float]
) -> None:
    assert not (first(engine, plan())[0].rgb_u8 == first(engine, plan(**change))[0].rgb_u8).all()


def test_shards_differ(engine: GeneratedSampler) -> None:
    assert not (first(engine, plan(), 0)[0].rgb_u8 == first(engine, plan(), 1)[0].rgb_u8).all()


def test_scores_can_be_computed_again_from_what_is_delivered(
    engine: GeneratedSampler, bundle_folder: Path
) -> None:
    from models.networks.stylematte import predict_alpha

    batch = first(engine, plan(alpha_bits=16))
    alphas = to_unit(np.stack([candidate.alpha for candidate in batch]))
    matte = load_stylematte(bundle_folder / STYLEMATTE_FILE)
    with torch.inference_mode():
        predicted = predict_alpha(
            matte, rgb_from_u8(np.stack([candidate.rgb_u8 for candidate in batch]))
        )
    agreement = score_agreement(alphas, predicted[:, 0].numpy())
    for candidate, cheap, costly in zip(batch, score_subjects(alphas), agreement, strict=True):
        assert candidate.scores == pytest.approx(cheap | costly, abs=1e-4)
        assert candidate.scores.keys() == {criterion.score for criterion in BY_NAME.values()}


def test_stylematte_is_not_asked_when_every_subject_is_out(
    engine: GeneratedSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "matte", lambda image: pytest.fail("asked"))
    (candidate, *_) = first(engine, plan(thresholds={"coverage_min": 1.0}))
    assert candidate.scores.keys() == {"coverage", "connectedness"}


@pytest.mark.parametrize(("bits", "kind"), [(8, np.uint8), (16, np.uint16)])
def test_alpha_has_the_ordered_depth(engine: GeneratedSampler, bits: int, kind: type) -> None:
    assert first(engine, plan(alpha_bits=bits))[0].alpha.dtype == kind


def test_a_generator_gone_wrong_is_refused(bundle_folder: Path) -> None:
    engine = GeneratedSampler.from_folder(bundle_folder, device="cpu")
    with torch.no_grad():
        next(engine._generator.synthesis.parameters()).fill_(float("nan"))
    with pytest.raises(CheckpointRejected, match="finite"):
        first(engine, plan())


def test_a_generator_without_alpha_is_refused(bundle_folder: Path) -> None:
    config = GeneratedSampler.from_folder(bundle_folder, device="cpu")._generator.config
    rgb = build_generator(replace(config, img_channels=3).to_dict())
    with pytest.raises(CheckpointRejected, match="4 channels"):
        GeneratedSampler(
            rgb, load_stylematte(bundle_folder / STYLEMATTE_FILE), digests=("a", "b"), device="cpu"
        )


def test_a_bundle_without_a_network_is_refused(tmp_path: Path, bundle_folder: Path) -> None:
    bundle = load_bundle_folder(bundle_folder)
    (tmp_path / BUNDLE_FILE).write_bytes(bundle.model_copy(update={"files": {}}).to_bytes())
    with pytest.raises(CheckpointRejected, match=GENERATOR_FILE):
        GeneratedSampler.from_folder(tmp_path)


def test_assembling_takes_the_right_kind_only(tmp_path: Path, bundle_folder: Path) -> None:
    with pytest.raises(CheckpointRejected, match="stylematte"):
        assemble(
            tmp_path / "b",
            name="b",
            generator=bundle_folder / STYLEMATTE_FILE,
            stylematte=bundle_folder / STYLEMATTE_FILE,
            thresholds={},
        )
