"""Every lease book behaves alike: in memory and in a real Valkey."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.adapters.memory_leases import MemoryLeaseBook
from core.adapters.redis_connection import connect
from core.adapters.redis_leases import RedisLeaseBook
from core.errors import LiveViewUnavailable
from core.ports import LeaseBook
from deploy.local.ports import free_ports


@pytest.fixture(params=["memory", "redis"])
def book(request: pytest.FixtureRequest) -> LeaseBook:
    return (
        MemoryLeaseBook() if request.param == "memory" else request.getfixturevalue("redis_leases")
    )


def test_one_token_holds_a_lease(book: LeaseBook) -> None:
    assert book.acquire("a", "one", 10)
    assert book.acquire("a", "one", 10)
    assert not book.acquire("a", "two", 10)
    assert book.acquire("b", "two", 10)
    assert book.held(["a", "b", "c"]) == {"a", "b"}
    assert book.held([]) == set()


def test_only_the_holder_releases(book: LeaseBook) -> None:
    book.acquire("a", "one", 10)
    book.release("a", "two")
    assert book.held(["a"]) == {"a"}
    book.release("a", "one")
    book.release("a", "one")
    assert book.held(["a"]) == set()
    assert book.acquire("a", "two", 10)


def test_a_lease_runs_out_unless_renewed(book: LeaseBook) -> None:
    book.acquire("a", "one", 1.5)
    time.sleep(0.8)
    assert book.renew("a", "one", 1.5)
    time.sleep(0.8)  # longer than the first lease
    assert not book.acquire("a", "two", 10)
    time.sleep(0.8)
    assert book.held(["a"]) == set()
    assert book.acquire("a", "two", 10)
    assert not book.renew("a", "one", 10)


def test_a_lease_that_vanished_is_taken_again(book: LeaseBook) -> None:
    assert book.renew("a", "one", 10)
    assert not book.acquire("a", "two", 10)


def test_one_of_many_gets_it(book: LeaseBook) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: book.acquire("a", str(number), 10), range(16)))
    assert sum(won) == 1


def test_a_timer_goes_off_once_a_period(book: LeaseBook) -> None:
    assert book.once_every("sweep", 0.8)
    assert not book.once_every("sweep", 0.8)
    assert book.once_every("another", 0.8)
    time.sleep(1.0)
    assert book.once_every("sweep", 0.8)


def test_tries_that_do_not_end_are_counted_for_a_while(book: LeaseBook) -> None:
    assert [book.begin_try("shard", 0.8) for _ in range(3)] == [1, 2, 3]
    assert book.begin_try("another", 0.8) == 1
    book.end_try("shard")
    assert book.begin_try("shard", 0.8) == 3
    time.sleep(1.0)
    assert book.begin_try("shard", 60) == 1, "the window began with the first try"
    book.end_try("shard")
    book.end_try("shard")
    assert book.begin_try("shard", 60) == 1, "no try is taken back twice"


def test_silence_is_unavailability() -> None:
    client = connect(f"redis://127.0.0.1:{free_ports(1)[0]}/0", retries=1)
    with pytest.raises(LiveViewUnavailable):
        RedisLeaseBook(client).acquire("a", "one", 1)
    client.close()


@pytest.mark.parametrize("jump_s", [600, 3600])
def test_redis_clock_set_back_prolongs_no_lease(redis_leases: RedisLeaseBook, jump_s: int) -> None:
    """Set back by `jump_s`, each key has so much more time left: what is done to them here."""
    redis_leases.acquire("lease", "dead", 1)
    assert redis_leases.once_every("timer", 1)
    assert redis_leases.begin_try("tries", 1) == 1
    for name in ("lease:lease", "timer:timer", "tries:tries"):
        redis_leases._redis.pexpire(f"mf:{name}", 1000 * (1 + jump_s))
    assert redis_leases.held(["lease"]) == {"lease"}
    assert not redis_leases.acquire("lease", "alive", 1)
    assert not redis_leases.once_every("timer", 1)
    assert redis_leases.begin_try("tries", 1) == 2
    time.sleep(1.1)
    assert redis_leases.held(["lease"]) == set()
    assert redis_leases.acquire("lease", "alive", 1)
    assert redis_leases.once_every("timer", 1)
    assert redis_leases.begin_try("tries", 1) == 1
