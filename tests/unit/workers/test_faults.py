"""Whatever call fails, whenever: the dataset completes, with the same bytes, nothing lost and
nothing counted twice."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import keys
from core.errors import LiveViewUnavailable, MatteForgeError, StoreUnavailable
from matteforge.schemas.datasets import DatasetState

STORE = ("put", "get", "head", "stream", "list_keys", "list_names")
LIVE = (
    "set_state",
    "add_shard",
    "undone",
    "ring_mark",
    "ring_marks",
    "clear_ring_mark",
    "active_ids",
    "put",
    "get",
)
BELL = ("ring", "depth")


class Killed(BaseException):
    """The process ended here: no handler sees it."""


class Faulty:
    """Fails some calls of a port: before it is done, or after, when only the answer is lost."""

    def __init__(
        self, port: Any, names: tuple[str, ...], error: type[BaseException], faults: "Faults"
    ) -> None:
        for name in names:
            setattr(port, name, faults.wrap(getattr(port, name), error))


class Faults:
    def __init__(self, plan: dict[int, tuple[bool, bool]]) -> None:
        self.plan, self.calls, self.on = plan, 0, True

    def wrap(self, call: Callable[..., Any], error: type[BaseException]) -> Callable[..., Any]:
        def faulty(*args: Any, **kwargs: Any) -> Any:
            if not self.on:
                return call(*args, **kwargs)
            self.calls += 1
            answer_lost, killed = self.plan.get(self.calls, (None, None))
            if answer_lost is None:
                return call(*args, **kwargs)
            if answer_lost:
                call(*args, **kwargs)
            raise Killed if killed else error

        return faulty


def survive(action: Callable[[], Any]) -> None:
    try:
        action()
    except (MatteForgeError, Killed) as error:
        logging.info("a process ended: %r", error)


@pytest.fixture(scope="module")
def expected() -> dict[str, bytes]:
    return {}


@pytest.mark.thorough
@given(
    faults=st.dictionaries(
        st.integers(1, 220), st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12
    ),
    flush_at=st.integers(0, 30),
)
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_faults_anywhere(
    bench_class: type,
    expected: dict[str, bytes],
    faults: dict[int, tuple[bool, bool]],
    flush_at: int,
) -> None:
    if not expected:
        calm = bench_class()
        calm.order()
        calm.work()
        expected.update({k: v for k, v in calm.objects().items() if "shards/" in k})
    bench = bench_class()
    bench.order()
    injected = Faults(faults)
    Faulty(bench.store, STORE, StoreUnavailable, injected)
    Faulty(bench.live, LIVE, LiveViewUnavailable, injected)
    Faulty(bench.doorbell, BELL, LiveViewUnavailable, injected)
    for tick in range(60):
        if injected.calls > max(faults) and tick > flush_at:
            break  # nothing more will fail
        bench.clock_s += 20  # leases of the dead expire within two ticks
        survive(bench.reconcile)
        if tick == flush_at:
            bench.live.flush()
            bench.doorbell.rung.clear()
        for _ in range(3):
            survive(bench.take)
    injected.on = False
    bench.work()
    assert bench.live.get("ds_a").state is DatasetState.COMPLETED
    assert {k: v for k, v in bench.objects().items() if "shards/" in k} == expected
    end = bench.catalog.end("ds_a")
    assert bench.live.get("ds_a").counts == end.counts
    assert (end.counts.accepted, end.counts.shards_done) == (10, 3)
    assert keys.manifest("ds_a") in bench.objects()
