"""Every live view behaves alike: in memory and in a real Valkey."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from core.adapters.memory import MemoryLiveView
from core.adapters.redis import RedisLiveView
from core.adapters.redis_connection import connect
from core.datasets.dataset import DatasetView
from core.datasets.manifest import ShardRecord
from core.errors import InvalidCursor, LiveViewUnavailable
from core.ports import LiveView
from deploy.local.ports import free_ports
from matteforge.schemas.datasets import Counts, DatasetState, ErrorInfo, InWork
from matteforge.schemas.orders import DatasetSpec

START = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
QUEUED, RUNNING, FINALIZING = DatasetState.QUEUED, DatasetState.RUNNING, DatasetState.FINALIZING
COMPLETED, FAILED, CANCELLED = DatasetState.COMPLETED, DatasetState.FAILED, DatasetState.CANCELLED


@pytest.fixture(params=["memory", "redis"])
def live(request: pytest.FixtureRequest) -> LiveView:
    return MemoryLiveView() if request.param == "memory" else request.getfixturevalue("redis_live")


def dataset(
    dataset_id: str = "ds_a", *, shards: int = 4, state: DatasetState = QUEUED, second: float = 0
) -> DatasetView:
    return DatasetView(
        id=dataset_id,
        state=state,
        spec=DatasetSpec(
            count=shards * 10,
            shard_size=10,
            seed=2**62,
            filter={"mad": 0.05},
            labels={"team": "m ✓"},
        ),
        bundle="sha256:" + "0" * 64,
        counts=Counts(requested=shards * 10, shards_total=shards),
        timestamps={QUEUED: START + timedelta(seconds=second)},
    )


def shard(number: int) -> ShardRecord:
    return ShardRecord(
        shard=number, name=f"{number:06d}.tar", samples=10, attempted=13,
        rejected={"mad": 2, "iou": 1}, size_bytes=5 << 30, sha256="a" * 64,
    )  # fmt: skip


def test_a_dataset_comes_back_as_it_was_put(live: LiveView) -> None:
    plain = dataset()
    live.put(plain)
    assert live.get("ds_a") == plain
    full = plain.model_copy(
        update={
            "state": FAILED,
            "damaged": True,
            "counts": Counts(
                requested=40,
                accepted=9,
                attempted=30,
                rejected={"mad": 21},
                shards_done=1,
                shards_total=4,
            ),
            "timestamps": {QUEUED: START, FAILED: START + timedelta(hours=1)},
            "error": ErrorInfo(code="internal", detail="“why”"),
            "cancel_requested": True,
        }
    )
    live.put(full, done=[0])
    assert live.get("ds_a") == full
    live.put(plain)
    assert live.get("ds_a") == plain
    assert live.get("ds_b") is None


def test_a_removed_dataset_is_unknown(live: LiveView) -> None:
    live.put(dataset())
    live.add_shard("ds_a", shard(0))
    live.ring_mark("ds_a", 1, 5.0)
    live.remove("ds_a")
    live.remove("ds_a")
    assert live.get("ds_a") is None
    assert live.active_ids() == []
    assert live.page(state=None, after=None, limit=10) == ([], None)
    assert live.ring_marks("ds_a") == {}
    assert live.events("ds_a", after=None) == []


def test_what_is_unknown_changes_nothing(live: LiveView) -> None:
    assert not live.set_state("ds_a", RUNNING, START)
    assert not live.add_shard("ds_a", shard(0))
    assert not live.ring_mark("ds_a", 0, 1.0)
    live.request_cancel("ds_a")
    live.forget_shard("ds_a", 0)
    live.clear_ring_mark("ds_a", 0)
    assert live.get("ds_a") is None
    assert live.undone("ds_a", start=0, limit=3) == []
    assert live.last_event_id("ds_a") == "0-0"


def test_states_only_move_forward(live: LiveView) -> None:
    live.put(dataset())
    assert live.set_state("ds_a", RUNNING, START)
    assert not live.set_state("ds_a", RUNNING, START + timedelta(days=1))
    assert not live.set_state("ds_a", QUEUED, START)
    assert live.set_state("ds_a", FINALIZING, START)
    counts = Counts(
        requested=40, accepted=7, attempted=9, rejected={"iou": 2}, shards_done=1, shards_total=4
    )
    error = ErrorInfo(code="rejection_budget_exhausted", detail="mad")
    assert live.set_state("ds_a", FAILED, START + timedelta(hours=2), error=error, counts=counts)
    for state in DatasetState:
        assert not live.set_state("ds_a", state, START)
    view = live.get("ds_a")
    assert view is not None
    assert (view.state, view.error, view.counts) == (FAILED, error, counts)
    assert view.timestamps == {
        QUEUED: START,
        RUNNING: START,
        FINALIZING: START,
        FAILED: START + timedelta(hours=2),
    }


def test_a_state_may_be_skipped(live: LiveView) -> None:
    live.put(dataset())
    assert live.set_state("ds_a", CANCELLED, START)
    assert live.active_ids() == []


def test_final_counts_replace_all_others(live: LiveView) -> None:
    live.put(dataset())
    live.add_shard("ds_a", shard(0))
    counts = Counts(requested=40, accepted=40, attempted=40, shards_done=4, shards_total=4)
    live.set_state("ds_a", COMPLETED, START, counts=counts)
    view = live.get("ds_a")
    assert view is not None
    assert view.counts == counts
    assert not live.add_shard("ds_a", shard(1))
    assert live.get("ds_a") == view


def test_a_shard_counts_once(live: LiveView) -> None:
    live.put(dataset())
    assert live.add_shard("ds_a", shard(2))
    assert not live.add_shard("ds_a", shard(2))
    assert live.add_shard("ds_a", shard(0))
    view = live.get("ds_a")
    assert view is not None
    assert view.counts == Counts(
        requested=40,
        accepted=20,
        attempted=26,
        rejected={"mad": 4, "iou": 2},
        shards_done=2,
        shards_total=4,
        size_bytes=10 << 30,
    )


def test_shards_are_counted_once_by_many_at_a_time(live: LiveView) -> None:
    live.put(dataset(shards=50))
    with ThreadPoolExecutor(8) as pool:
        counted = list(
            pool.map(lambda number: live.add_shard("ds_a", shard(number % 50)), range(200))
        )
    assert sum(counted) == 50
    view = live.get("ds_a")
    assert view is not None
    assert (view.counts.shards_done, view.counts.accepted) == (50, 500)
    assert live.undone("ds_a", start=0, limit=1) == []


def test_undone_shards_are_found(live: LiveView) -> None:
    live.put(dataset(shards=40), done=[0, 1, 5, 39])
    assert live.undone("ds_a", start=0, limit=5) == [2, 3, 4, 6, 7]
    assert live.undone("ds_a", start=5, limit=2) == [6, 7]
    assert live.undone("ds_a", start=37, limit=9) == [37, 38]
    assert live.undone("ds_a", start=39, limit=9) == []
    assert live.undone("ds_a", start=400, limit=9) == []
    assert live.undone("ds_a", start=0, limit=0) == []
    live.add_shard("ds_a", shard(2))
    live.forget_shard("ds_a", 0)
    assert live.undone("ds_a", start=0, limit=3) == [0, 3, 4]


def test_undone_shards_of_a_huge_dataset_are_found(live: LiveView) -> None:
    live.put(dataset(shards=900_001), done=range(900_000))
    assert live.undone("ds_a", start=0, limit=10) == [900_000]
    live.put(dataset(shards=900_001))
    assert live.undone("ds_a", start=900_000, limit=10) == [900_000]


def test_a_message_is_noted_once(live: LiveView) -> None:
    live.put(dataset())
    assert live.ring_mark("ds_a", 3, 1700000000.25)
    assert not live.ring_mark("ds_a", 3, 5.0)
    assert live.ring_mark("ds_a", 1, 6.0)
    assert live.ring_marks("ds_a") == {3: 1700000000.25, 1: 6.0}
    live.clear_ring_mark("ds_a", 3)
    assert live.ring_marks("ds_a") == {1: 6.0}
    live.put(dataset())
    assert live.ring_marks("ds_a") == {}


def test_active_datasets_are_those_without_an_end(live: LiveView) -> None:
    for second, state in enumerate(DatasetState):
        live.put(dataset(f"ds_{state}", state=state, second=-second))
    assert live.active_ids() == ["ds_finalizing", "ds_running", "ds_queued"]
    live.set_state("ds_running", COMPLETED, START)
    assert live.active_ids() == ["ds_finalizing", "ds_queued"]


def test_pages_run_from_the_newest_to_the_oldest(live: LiveView) -> None:
    for number in range(7):
        live.put(dataset(f"ds_{number}", second=number // 2))
    pages, cursor = [], None
    while True:
        views, cursor = live.page(state=None, after=cursor, limit=3)
        pages.append([view.id for view in views])
        if cursor is None:
            break
        live.put(dataset(f"ds_new{len(pages)}", second=100))
    assert pages == [["ds_6", "ds_5", "ds_4"], ["ds_3", "ds_2", "ds_1"], ["ds_0"]]


def test_a_page_that_ends_with_the_last_has_no_cursor(live: LiveView) -> None:
    live.put(dataset())
    assert live.page(state=None, after=None, limit=1) == ([dataset()], None)


def test_pages_of_one_state(live: LiveView) -> None:
    for number in range(4):
        live.put(dataset(f"ds_{number}", second=number))
    live.set_state("ds_1", RUNNING, START)
    live.set_state("ds_3", RUNNING, START)
    views, cursor = live.page(state=RUNNING, after=None, limit=1)
    assert [view.id for view in views] == ["ds_3"]
    views, cursor = live.page(state=RUNNING, after=cursor, limit=1)
    assert ([view.id for view in views], cursor) == (["ds_1"], None)
    assert [view.id for view in live.page(state=QUEUED, after=None, limit=9)[0]] == ["ds_2", "ds_0"]
    assert live.page(state=FAILED, after=None, limit=9) == ([], None)


@pytest.mark.parametrize("cursor", ["", "x", "%%%", "ü", "AAAA", "MDA6ZHM=", "\x00", "a" * 10_000])
def test_a_foreign_cursor_is_refused(live: LiveView, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        live.page(state=None, after=cursor, limit=1)


def test_events_tell_what_happened(live: LiveView) -> None:
    live.put(dataset())
    assert live.events("ds_a", after=None) == []
    assert live.events("ds_a", after="0-0") == []
    live.set_state("ds_a", RUNNING, START)
    live.add_shard("ds_a", shard(1))
    live.set_state("ds_a", FAILED, START, error=ErrorInfo(code="internal", detail="why"))
    events = live.events("ds_a", after=None)
    assert events is not None
    assert [event.kind for event in events] == ["state", "shard", "state"]
    assert events[0].data == {"state": "running", "at": START.isoformat()}
    assert events[1].data == {**shard(1).model_dump(), "accepted": 10, "shards_done": 1}
    assert events[2].data["error"] == {"code": "internal", "detail": "why"}
    assert live.last_event_id("ds_a") == events[2].id
    assert live.events("ds_a", after="0-0") == events
    assert live.events("ds_a", after=events[0].id) == events[1:]
    assert live.events("ds_a", after=events[0].id, limit=1) == events[1:2]
    assert live.events("ds_a", after=events[2].id) == []


@pytest.mark.parametrize(
    "after", ["1-1", "abc", "", "-", "+", "$", "99999999999999999999-0", "1", "0-0 "]
)
def test_an_event_that_never_was_is_unknown(live: LiveView, after: str) -> None:
    live.put(dataset())
    live.set_state("ds_a", RUNNING, START)
    assert live.events("ds_a", after=after) is None


def test_a_thousand_events_are_kept(live: LiveView) -> None:
    live.put(dataset(shards=1200))
    live.add_shard("ds_a", shard(0))
    first = live.last_event_id("ds_a")
    for number in range(1, 1100):
        live.add_shard("ds_a", shard(number))
    kept = live.events("ds_a", after=None, limit=5000)
    assert kept is not None
    assert [event.data["shard"] for event in kept] == list(range(100, 1100))
    assert live.events("ds_a", after=first) is None
    assert live.events("ds_a", after="0-0") is None
    assert live.events("ds_a", after=kept[-2].id) == kept[-1:]


def test_events_outlive_a_rebuild(live: LiveView) -> None:
    live.put(dataset())
    live.set_state("ds_a", RUNNING, START)
    before = live.events("ds_a", after=None)
    live.put(dataset())
    assert live.events("ds_a", after=None) == before


def test_it_knows_whether_it_was_rebuilt(live: LiveView) -> None:
    live.ping()
    assert not live.is_initialised()
    live.mark_initialised()
    assert live.is_initialised()


def test_cancellation_is_noted(live: LiveView) -> None:
    live.put(dataset())
    live.request_cancel("ds_a")
    view = live.get("ds_a")
    assert view is not None
    assert view.cancel_requested
    assert view.state is QUEUED


def test_silence_is_unavailability() -> None:
    client = connect(f"redis://127.0.0.1:{free_ports(1)[0]}/0", retries=1)
    live = RedisLiveView(client)
    for call in (
        live.ping,
        live.active_ids,
        lambda: live.put(dataset()),
        lambda: live.add_shard("ds_a", shard(0)),
    ):
        with pytest.raises(LiveViewUnavailable):
            call()
    client.close()


def test_counts_by_attribute_add_up_and_are_replaced_at_the_end(live: LiveView) -> None:
    live.put(dataset(shards=2))
    for number in (0, 1):
        met = {"glasses": {"no": 3, "yes": number}, "hair": {"bald": 1}}
        live.add_shard("ds_a", shard(number).model_copy(update={"attributes": met}))
    seen = live.get("ds_a")
    assert seen is not None
    assert seen.counts.attributes == {"glasses": {"no": 6, "yes": 1}, "hair": {"bald": 2}}
    final = seen.counts.model_copy(update={"attributes": {"glasses": {"no": 6}}})
    live.set_state("ds_a", COMPLETED, START + timedelta(seconds=9), counts=final)
    assert live.get("ds_a").counts == final  # type: ignore[union-attr]


def test_what_is_in_shards_in_work_is_told_and_forgotten(live: LiveView) -> None:
    live.put(dataset())
    live.report_work("ds_a", 0, InWork(shards=1, accepted=2, attempted=5, rejected={"mad": 3}), 60)
    live.report_work("ds_a", 1, InWork(shards=1, accepted=1, attempted=2, rejected={"mad": 1}), 60)
    both = InWork(shards=2, accepted=3, attempted=7, rejected={"mad": 4})
    assert live.get("ds_a").in_work == both
    assert live.page(state=None, after=None, limit=1)[0][0].in_work == both
    live.report_work("ds_a", 1, InWork(shards=1, accepted=4, attempted=6), 60)
    assert live.get("ds_a").in_work.accepted == 6
    live.add_shard("ds_a", shard(0))
    assert live.get("ds_a").in_work == InWork(shards=1, accepted=4, attempted=6)
    live.withdraw_work("ds_a", 1)
    assert live.get("ds_a").in_work == InWork()


def test_a_report_that_is_old_holds_no_more(live: LiveView) -> None:
    live.put(dataset())
    live.report_work("ds_a", 0, InWork(shards=1, accepted=2, attempted=5), -1)
    assert live.get("ds_a").in_work == InWork()


def test_a_pace_is_remembered_by_kind(live: LiveView) -> None:
    assert live.pace("a") is None
    live.note_pace("a", 1.0)
    live.note_pace("a", 2.0)
    live.note_pace("b", 9.0)
    assert 1.0 < live.pace("a") < 2.0
    assert live.pace("b") == 9.0
