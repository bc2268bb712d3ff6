"""What failed a moment ago is not asked again at once; one call tries, and mends it for all."""

from collections.abc import Iterator

import pytest

from core.adapters.breaker import Breaker, guarded
from core.errors import NotFound, StoreUnavailable


class Server:
    """A port whose calls are counted; `away` makes them fail."""

    def __init__(self) -> None:
        self.away, self.asked = True, 0

    def get(self, key: str) -> str:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("hangs")
        if key == "missing":
            raise NotFound(key)
        return key

    def list_keys(self, prefix: str) -> Iterator[str]:
        yield self.get(prefix)

    def presign_get(self, key: str) -> str:
        return f"https://{key}"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock() -> list[float]:
    return [100.0]


@pytest.fixture
def port(server: Server, clock: list[float]) -> Server:
    return guarded(server, Breaker(rest_s=1, clock=lambda: clock[0]))


def test_a_failure_spares_the_calls_after_it(port: Server, server: Server) -> None:
    for _ in range(5):
        with pytest.raises(StoreUnavailable, match="hangs"):
            port.get("a")
    assert server.asked == 1
    assert port.presign_get("a") == "https://a"  # nobody is asked for it


def test_after_a_rest_one_call_tries(port: Server, server: Server, clock: list[float]) -> None:
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(StoreUnavailable):
                port.get("a")
        clock[0] += 1.1
    assert server.asked == 3


def test_an_answer_mends_it(port: Server, server: Server, clock: list[float]) -> None:
    with pytest.raises(StoreUnavailable):
        port.get("a")
    server.away = False
    clock[0] += 1.1
    assert [port.get("a"), port.get("b")] == ["a", "b"]
    with pytest.raises(NotFound):
        port.get("missing")  # an answer, too
    assert port.get("a") == "a"


def test_a_listing_fails_and_mends_when_it_is_read(
    port: Server, server: Server, clock: list[float]
) -> None:
    with pytest.raises(StoreUnavailable):
        list(port.list_keys("a"))
    with pytest.raises(StoreUnavailable):
        list(port.list_keys("a"))
    assert server.asked == 1
    server.away = False
    clock[0] += 1.1
    assert list(port.list_keys("a")) == ["a"]


def test_a_clock_that_is_set_back_does_not_matter(port: Server, server: Server) -> None:
    """The default clock is monotonic."""
    assert Breaker()._clock() != 0
    assert Breaker()._clock.__name__ == "monotonic"
