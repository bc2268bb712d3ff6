"""Every book of token buckets behaves alike: in memory and in a real Valkey."""

import math
import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.adapters.memory_buckets import MemoryBucketBook
from core.adapters.redis_buckets import RedisBucketBook
from core.adapters.redis_connection import connect
from core.errors import LiveViewUnavailable
from core.limits import Bucket, OrderNote
from core.ports import BucketBook
from deploy.local.ports import free_ports

SLOW_S = 100_000.0  # nothing to speak of comes back while a test runs


@pytest.fixture(params=["memory", "redis"])
def book(request: pytest.FixtureRequest) -> BucketBook:
    if request.param == "memory":
        return MemoryBucketBook()
    return RedisBucketBook(connect(request.getfixturevalue("valkey_url")))


def bucket(size: float, window_s: float = SLOW_S) -> Bucket:
    return Bucket(name=secrets.token_hex(8), size=size, window_s=window_s)


def test_a_full_bucket_gives_what_it_holds_and_no_more(book: BucketBook) -> None:
    ten = bucket(10)
    assert book.take(ten, 7).granted
    refused = book.take(ten, 4)
    assert not refused.granted
    assert refused.left == pytest.approx(3, abs=0.01)
    assert refused.wait_s == pytest.approx(SLOW_S / 10, rel=0.01)
    assert book.take(ten, 2.9).granted


def test_what_was_given_back_can_be_taken_again_and_never_exceeds_the_size(
    book: BucketBook,
) -> None:
    ten = bucket(10)
    book.take(ten, 10)
    assert not book.take(ten, 5).granted
    book.take(ten, -5)
    assert book.take(ten, 5).granted
    book.take(ten, -100)
    assert book.take(ten, 0).left == pytest.approx(10)


def test_more_than_the_size_never_comes(book: BucketBook) -> None:
    assert book.take(bucket(10), 11).wait_s == math.inf


def test_tokens_come_back_in_time(book: BucketBook) -> None:
    fast = bucket(1000, window_s=0.01)
    assert book.take(fast, 1000).granted
    time.sleep(0.05)
    assert book.take(fast, 1000).granted


def test_of_many_at_once_no_more_pass_than_there_are_tokens(book: BucketBook) -> None:
    ten = bucket(10)
    with ThreadPoolExecutor(8) as pool:
        granted = list(pool.map(lambda _: book.take(ten, 1).granted, range(40)))
    assert sum(granted) == 10


@pytest.mark.parametrize(("size", "left"), [(5, 2), (20, 17), (2, 0)])
def test_another_limit_counts_at_once_with_what_was_taken(
    book: BucketBook, size: int, left: int
) -> None:
    ten = bucket(10)
    book.take(ten, 3)
    other = Bucket(name=ten.name, size=size, window_s=SLOW_S)
    assert not book.take(other, left + 1).granted
    assert book.take(other, 0).left == pytest.approx(left, abs=0.01)


def note(name: str) -> OrderNote:
    return OrderNote(token=secrets.token_hex(4), dataset_id=name, size_bytes=5)


def test_orders_are_known_while_they_are_placed_and_for_a_while_after(book: BucketBook) -> None:
    tenant, first, second, third = secrets.token_hex(4), note("ds_1"), note("ds_2"), note("ds_3")
    assert book.begin_order(tenant, first) == ([], [])
    assert book.begin_order("another", note("ds_x")) == ([], [])
    assert book.begin_order(tenant, second) == ([first], [first])
    book.end_order(tenant, first, placed=True)
    assert book.begin_order(tenant, third) == ([second], [first, second])
    book.end_order(tenant, second, placed=False)
    book.end_order(tenant, second, placed=False)
    assert book.begin_order(tenant, note("ds_4")) == ([third], [first, third])


def test_of_orders_at_once_each_pair_is_seen_by_one(book: BucketBook) -> None:
    tenant = secrets.token_hex(4)
    with ThreadPoolExecutor(8) as pool:
        seen = pool.map(lambda n: len(book.begin_order(tenant, note(f"ds_{n}"))[0]), range(40))
        assert sorted(seen) == list(range(40))


def test_a_redis_that_is_away_is_told_so() -> None:
    away = connect(f"redis://127.0.0.1:{free_ports(1)[0]}/0", timeout_s=0.2, retries=0)
    with pytest.raises(LiveViewUnavailable):
        RedisBucketBook(away).take(bucket(1), 1)
