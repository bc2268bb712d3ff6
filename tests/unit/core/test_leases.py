"""core.leases: held while working, renewed, noticed when lost."""

import time

import pytest

from core.adapters.memory_leases import MemoryLeaseBook
from core.errors import LeaseLost
from core.leases import hold


def test_one_holder_at_a_time_and_released_after():
    book = MemoryLeaseBook()
    with hold(book, "x", ttl_s=5, renew_s=1) as first:
        assert first is not None
        with hold(book, "x", ttl_s=5, renew_s=1) as second:
            assert second is None
        first.check()
    with hold(book, "x", ttl_s=5, renew_s=1) as third:
        assert third is not None


@pytest.mark.thorough
def test_it_is_renewed_for_longer_than_its_ttl():
    book = MemoryLeaseBook()
    with hold(book, "x", ttl_s=1, renew_s=0.05) as lease:
        time.sleep(1.5)
        assert book.held(["x"]) == {"x"}
        lease.check()


def test_a_lost_lease_is_noticed():
    book = MemoryLeaseBook()
    with hold(book, "x", ttl_s=5, renew_s=0.02) as lease:
        book.release("x", lease.token)
        assert book.acquire("x", "somebody else", 5)
        assert lease._lost.wait(10)
        with pytest.raises(LeaseLost, match="x went to another"):
            lease.check()
    assert book.held(["x"]) == {"x"}, "leaving the block must not release somebody else's lease"
