"""Splits: exact counts, whole shards, and nobody in two of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.datasets.plan import Plan, default_shard_size, make_plan
from core.datasets.splits import split_of
from core.errors import InvalidSpec
from matteforge.schemas.orders import DatasetSpec, RenderedSpec

SHARES = {"train": 0.9, "validation": 0.05, "test": 0.05}


def plan_of(spec: DatasetSpec | RenderedSpec) -> Plan:
    return make_plan(
        spec, seed=7, bundle="sha256:" + "b" * 64, thresholds={}, batch_size=4, threads=1,
        max_attempts_per_sample=20,
    )  # fmt: skip


@pytest.mark.thorough
@given(st.integers(20, 5000), st.integers(1, 700))
def test_shards_of_splits_follow_each_other(count: int, shard_size: int) -> None:
    plan = plan_of(DatasetSpec(count=count, shard_size=shard_size, splits=SHARES))
    parts = [plan.part(shard) for shard in range(plan.shards_total)]
    assert sum(part.samples for part in parts) == count
    assert [part.first_slot for part in parts] == [
        sum(part.samples for part in parts[:n]) for n in range(len(parts))
    ]
    assert [p.split for p in parts] == sorted(
        (p.split for p in parts), key=["train", "validation", "test"].index
    )
    for split, share in SHARES.items():
        held = sum(part.samples for part in parts if part.split == split)
        assert abs(held - share * count) < 1
    with pytest.raises(IndexError):
        plan.part(plan.shards_total)


def test_names_tell_the_split_where_there_are_some() -> None:
    plan = plan_of(DatasetSpec(count=40, shard_size=20, splits={"test": 0.5, "train": 0.5}))
    assert [plan.shard_name(n) for n in range(2)] == ["train-000000.tar", "test-000001.tar"]
    assert plan_of(DatasetSpec(count=40, shard_size=20)).shard_name(1) == "000001.tar"


def test_every_candidate_of_a_shard_is_of_its_split() -> None:
    plan = plan_of(DatasetSpec(count=100, shard_size=50, splits=SHARES))
    seen: dict[int, str] = {}
    for shard in range(plan.shards_total):
        for attempt in range(200):
            seed = plan.seed_of(shard, shard, attempt)
            assert split_of(seed, SHARES) == plan.part(shard).split
            assert seen.setdefault(seed, plan.part(shard).split) == plan.part(shard).split
    assert len(seen) == 200 * plan.shards_total


def test_identities_fall_into_splits_by_their_shares() -> None:
    found = [split_of(seed, SHARES) for seed in range(20_000)]
    assert found.count("test") / len(found) == pytest.approx(0.05, abs=0.005)
    assert found.count("train") / len(found) == pytest.approx(0.9, abs=0.01)


def test_without_splits_seeds_are_what_they_were() -> None:
    plan = plan_of(DatasetSpec(count=40, shard_size=20))
    assert plan.seed_of(1, 1, 3) == 7696822923785925004


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ({"train": 0.9}, "add up to 0.9"),
        ({"train": 1.0, "test": 0.0}, "greater than 0"),
        ({"dev": 1.0}, "validation"),
    ],
)
def test_shares_are_checked(splits: dict[str, float], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        DatasetSpec(count=100, splits=splits)


def test_a_split_without_a_sample_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="of 5 samples none would be in the split"):
        plan_of(DatasetSpec(count=5, splits=SHARES))


@pytest.mark.parametrize("count", [64, 65, 100, 500, 1000, 16_000])
def test_there_are_2_to_16_shards_by_default(count: int) -> None:
    assert 2 <= plan_of(DatasetSpec(count=count)).shards_total <= 16


def test_the_default_shard_size_is_bounded() -> None:
    sizes = {n: default_shard_size(DatasetSpec(count=n)) for n in (1, 64, 1000, 10**6, 10**8)}
    assert sizes == {1: 32, 64: 32, 1000: 63, 10**6: 1000, 10**8: 1000}
    people = {
        size: default_shard_size(RenderedSpec(source="rendered", count=200, size=size))
        for size in (64, 256, 512, 1024)
    }
    assert people == {64: 6, 256: 6, 512: 1, 1024: 1}
