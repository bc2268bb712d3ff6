"""The control worker deletes what is over, and only that."""

from datetime import timedelta

import pytest

from core.datasets.dataset import utcnow
from core.retention import set_expiry
from matteforge.schemas.datasets import DatasetState
from matteforge.schemas.expiry import ExpiryIn

PAST, LATER = utcnow() - timedelta(hours=1), utcnow() + timedelta(days=1)


def order(bench, dataset_id, at):
    record = bench.order(dataset_id, known=False)
    set_expiry(bench.store, dataset_id, ExpiryIn(expires_at=at))
    bench.live.put(bench.catalog.view(dataset_id)[0])
    return record


def sweep(bench):
    bench.clock_s += 100
    bench.reconcile()


@pytest.mark.thorough
def test_a_dataset_goes_when_its_time_is_over_and_it_has_ended(bench):
    order(bench, "ds_over", PAST)
    order(bench, "ds_later", LATER)
    order(bench, "ds_never", None)
    sweep(bench)
    assert bench.live.get("ds_over") is not None  # not ended
    bench.work()
    sweep(bench)
    assert bench.live.get("ds_over") is None
    assert list(bench.store.list_keys("datasets/ds_over/")) == ["datasets/ds_over/deleted.json"]
    for dataset_id in ("ds_later", "ds_never"):
        assert bench.live.get(dataset_id).state is DatasetState.COMPLETED
        assert bench.catalog.end(dataset_id)


def test_an_end_that_was_moved_in_the_store_alone_counts(bench):
    order(bench, "ds_a", PAST)
    set_expiry(bench.store, "ds_a", ExpiryIn(expires_at=LATER))  # Redis was away
    bench.work()
    sweep(bench)
    assert bench.catalog.end("ds_a")


def test_an_expired_dataset_is_found_again_after_redis_lost_all(bench):
    order(bench, "ds_a", PAST)
    bench.work()
    bench.live.flush()
    sweep(bench)
    sweep(bench)
    assert list(bench.store.list_keys("datasets/ds_a/")) == ["datasets/ds_a/deleted.json"]
