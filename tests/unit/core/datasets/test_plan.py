"""core.datasets.plan and core.datasets.dataset: what an order becomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.datasets.dataset import new_dataset_id
from core.datasets.plan import candidate_seed, choose_batch_size, make_plan
from core.datasets.sample import sample_key, shard_name
from core.errors import InvalidSpec
from matteforge.schemas.orders import MAX_COUNT, DatasetSpec

DIGEST = "sha256:" + "0" * 64


def plan_of(spec: DatasetSpec):
    return make_plan(
        spec, seed=7, bundle=DIGEST, thresholds={"mad": 0.1}, batch_size=8, threads=1,
        max_attempts_per_sample=20,
    )  # fmt: skip


@given(st.integers(1, MAX_COUNT), st.integers(101, 10_000))
def test_shards_hold_exactly_what_was_ordered(count, shard_size):
    plan = plan_of(DatasetSpec(count=count, shard_size=shard_size))
    full, last = plan.shards_total - 1, plan.samples_in(plan.shards_total - 1)
    assert full * shard_size + last == count
    assert 1 <= last <= shard_size


@given(st.integers(0, 999_999), st.integers(1, 10_000))
def test_a_shard_gives_up_after_whole_batches(shard, shard_size):
    plan = plan_of(DatasetSpec(count=MAX_COUNT, shard_size=10_000)).model_copy(
        update={"shard_size": shard_size}
    )
    assert plan.max_attempts(0) % plan.batch_size == 0
    assert plan.max_attempts(0) >= plan.samples_in(0) * plan.max_attempts_per_sample


def test_too_many_shards_say_which_size_would_do():
    with pytest.raises(InvalidSpec, match="shard_size of at least 101"):
        plan_of(DatasetSpec(count=MAX_COUNT, shard_size=100))
    plan_of(DatasetSpec(count=MAX_COUNT, shard_size=101))


def test_the_order_overrides_the_bundles_thresholds():
    plan = plan_of(DatasetSpec(count=1, filter={"iou": 0.9, "mad": 0.02}))
    assert plan.thresholds == {"mad": 0.02, "iou": 0.9}


@pytest.mark.parametrize(
    "bad",
    [
        {"count": 0},
        {"count": -1},
        {"count": 10**12},
        {"count": "NaN"},
        {"count": 1.5},
        {"count": True},
        {"count": 1, "truncation_psi": 99.0},
        {"count": 1, "truncation_psi": 0.0},
        {"count": 1, "truncation_psi": float("nan")},
        {"count": 1, "shard_size": 0},
        {"count": 1, "shard_size": 10_001},
        {"count": 1, "filter": {"beauty": 0.5}},
        {"count": 1, "filter": {"mad": float("inf")}},
        {"count": 1, "alpha_bits": 12},
        {"count": 1, "image_format": "gif"},
        {"count": 1, "model": "../etc"},
        {"count": 1, "seed": -1},
        {"count": 1, "colour": "red"},
    ],
)
def test_nonsense_is_refused(bad):
    with pytest.raises(ValidationError):
        DatasetSpec.model_validate(bad)


def test_candidate_seeds_are_fixed_for_ever():
    """Part of the format: another value here would change every delivered byte."""
    assert candidate_seed(1, 2, 3) == 3751671686878481423
    assert (
        len({candidate_seed(s, k, a) for s in range(10) for k in range(10) for a in range(10)})
        == 1000
    )


def test_keys_sort_in_delivery_order_and_hold_digits_only():
    keys = [sample_key(shard, index) for shard in (0, 1, 999_998) for index in (0, 1, 9_999)]
    assert keys == sorted(keys)
    assert all(key.isdigit() and len(key) == 11 for key in keys)
    assert shard_name(42) == "000042.tar"


def test_an_idempotency_key_names_one_dataset_per_owner():
    assert new_dataset_id("a", "k") == new_dataset_id("a", "k")
    assert new_dataset_id("a", "k") != new_dataset_id("b", "k")
    assert new_dataset_id("a", None) != new_dataset_id("a", None)


@pytest.mark.parametrize(
    ("device", "resolution", "batch"),
    [
        ("cpu", 64, 8),
        ("cpu", 256, 8),
        ("cpu", 512, 4),
        ("cpu", 1024, 1),
        ("cuda", 64, 64),
        ("cuda", 1024, 16),
    ],
)
def test_a_batch_fits_the_device_class_and_the_resolution(
    device: str, resolution: int, batch: int
) -> None:
    assert choose_batch_size(device, resolution) == batch
