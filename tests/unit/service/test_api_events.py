"""Server-sent events: snapshot, resume, heartbeat and the end, on memory adapters."""

import asyncio
import json
from collections.abc import Callable

import pytest
from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from core import keyring
from core.adapters.live_view_rules import EVENTS_KEPT
from core.datasets.dataset import utcnow
from core.errors import LiveViewUnavailable
from core.keyring import KeyRing
from matteforge.schemas.datasets import DatasetState, InWork
from matteforge.schemas.keys import KeyChange
from service import event_stream, middleware
from service.routes import events


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "POLL_S", 0.01)
    monkeypatch.setattr(events, "QUIET_S", 0.2)


def follow(world, path: str, last_event_id: str | None = None) -> list[dict]:
    """All events until the stream ends."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    answer = world.http.get(path, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    parsed = []
    for block in answer.text.strip().split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")
        )
        if fields:
            parsed.append({**fields, "data": json.loads(fields["data"])})
    return parsed


@pytest.fixture
def after_looks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """after_looks(n, *steps): the steps are done once streams have looked n times for news."""
    following, waiting, looks = events._next, [], []

    def counted(*args: object) -> object:
        try:
            return following(*args)
        finally:
            looks.append(1)
            for entry in [entry for entry in waiting if entry[0] <= len(looks)]:
                waiting.remove(entry)
                for step in entry[1]:
                    step()

    monkeypatch.setattr(events, "_next", counted)
    return lambda number, *steps: waiting.append((number, steps))


def test_a_stream_starts_with_a_snapshot_and_ends_with_the_dataset(world, after_looks):
    out = world.order()
    ident = out["id"]
    after_looks(
        1,
        lambda: world.live.set_state(ident, DatasetState.RUNNING, utcnow()),
        lambda: world.commit(ident, 0),
        lambda: world.end(ident),
    )
    seen = follow(world, out["links"]["events"])
    assert [event["event"] for event in seen] == ["snapshot", "state", "shard", "state"]
    assert seen[0]["data"]["id"] == ident
    assert seen[2]["data"]["accepted"] == 10
    assert seen[3]["data"]["state"] == "completed"
    assert len({event["id"] for event in seen}) == 4


@pytest.mark.parametrize("change", [{"scopes": ["order"]}, None])
def test_a_stream_ends_with_the_right_to_read(world, after_looks, monkeypatch, change):
    monkeypatch.setattr(keyring, "FRESH_S", 0.0)
    monkeypatch.setattr(middleware, "KEY_FRESH_S", 0.0)
    out = world.order()
    made = world.http.post("/v1/keys", json={"name": "reader", "scopes": ["read"]}).json()
    after_looks(
        1,
        lambda: (
            KeyRing(world.store).change(made["id"], KeyChange(**change))
            if change
            else KeyRing(world.store).revoke(made["id"])
        ),
    )
    world.http.headers["Authorization"] = f"Bearer {made['key']}"
    assert made["tenant"] == "default"
    seen = follow(world, out["links"]["events"])
    assert [event["event"] for event in seen] == ["snapshot"]
    refused = world.http.get(out["links"]["events"])
    assert refused.status_code == (403 if change else 401)


def test_a_key_has_so_many_streams_and_no_more(world, monkeypatch):
    monkeypatch.setattr(event_stream, "MAX_STREAMS", 2)
    out, app = world.order(), world.http.app
    own = KeyRing(world.store).find("mf_test")
    reader = event_stream.StreamReader(own, app.state.keyring, app.state.streams)
    streams = [
        event_stream.follow(Endless(), 0.01, reader) for _ in range(event_stream.MAX_STREAMS)
    ]

    async def hold() -> None:
        for stream in streams:
            await anext(stream)
        refused = await run_in_threadpool(world.http.get, out["links"]["events"])
        assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
        await streams[0].aclose()
        world.end(out["id"])
        answer = await run_in_threadpool(world.http.get, out["links"]["events"])
        assert answer.status_code == 200
        await streams[1].aclose()

    asyncio.run(hold())
    assert app.state.streams[own.id] == 0


class Endless:
    ended = False

    def look(self) -> list[ServerSentEvent]:
        return [ServerSentEvent(event="progress", data={})]


def test_a_known_id_resumes_without_a_snapshot(world, after_looks):
    out = world.order()
    for shard in range(3):
        world.commit(out["id"], shard)
    first = world.live.events(out["id"], after=None)[0].id
    after_looks(1, lambda: world.end(out["id"]))
    seen = follow(world, out["links"]["events"], first)
    assert [event["event"] for event in seen] == ["shard", "shard", "state"]
    assert [event["data"].get("shard") for event in seen] == [1, 2, None]


@pytest.mark.parametrize("unknown", ["999999-9", "abc", "0", "-1-1", "9" * 50 + "-0"])
def test_an_unknown_id_gets_a_snapshot(world, unknown, after_looks):
    out = world.order()
    world.commit(out["id"], 0)
    after_looks(1, lambda: world.end(out["id"]))
    seen = follow(world, out["links"]["events"], unknown)
    assert [event["event"] for event in seen] == ["snapshot", "state"]
    assert seen[0]["data"]["counts"]["accepted"] == 10


def test_a_trimmed_id_gets_a_snapshot(world, after_looks):
    total = EVENTS_KEPT + 50
    out = world.order(count=total, shard_size=1)
    world.commit(out["id"], 0, samples=1)
    first = world.live.last_event_id(out["id"])
    for shard in range(1, total):
        world.commit(out["id"], shard, samples=1)
    after_looks(1, lambda: world.end(out["id"]))
    seen = follow(world, out["links"]["events"], first)
    assert [event["event"] for event in seen] == ["snapshot", "state"]


def test_a_finished_dataset_answers_from_its_manifest(world):
    out = world.order()
    world.end(out["id"])
    for flushed in (False, True):
        if flushed:
            world.live.flush()
        for last_event_id in (None, "1-0", "unknown"):
            (event,) = follow(world, out["links"]["events"], last_event_id)
            assert event["event"] == "state"
            assert event["data"]["state"] == "completed"
            assert event["data"]["counts"]["accepted"] == 30


def test_a_flush_in_mid_stream_brings_a_new_snapshot(world, after_looks):
    out = world.order()
    world.commit(out["id"], 0)
    after_looks(1, world.live.flush)
    after_looks(3, lambda: world.end(out["id"]))
    seen = follow(world, out["links"]["events"])
    assert [event["event"] for event in seen] == ["snapshot", "snapshot", "state"]
    assert seen[1]["data"]["counts"]["accepted"] == 10


def test_an_end_that_no_event_told_is_found(world, after_looks):
    out = world.order()

    def end_in_the_store_only() -> None:
        world.end(out["id"])
        world.live._datasets[out["id"]].events.clear()

    after_looks(1, end_in_the_store_only)
    seen = follow(world, out["links"]["events"])
    assert seen[-1]["data"]["state"] == "completed"


def test_a_stream_outlives_redis_and_says_so(world, monkeypatch, after_looks):
    out = world.order()
    away, answer = [True], world.live.last_event_id

    def last_event_id(dataset_id: str) -> str:
        if away:
            raise LiveViewUnavailable
        return answer(dataset_id)

    monkeypatch.setattr(world.live, "last_event_id", last_event_id)
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    after_looks(20, away.clear, lambda: world.end(out["id"]))
    told = world.http.get(out["links"]["events"]).text
    assert ": ping" in told
    assert '"completed"' in told


def test_deleting_a_dataset_ends_its_streams(world, after_looks):
    out = world.order()
    after_looks(1, lambda: world.http.delete(out["links"]["self"]))
    seen = follow(world, out["links"]["events"])
    assert [event["event"] for event in seen] == ["snapshot"]


def test_progress_inside_a_shard_is_told(world, after_looks, monkeypatch):
    monkeypatch.setattr(events, "PROGRESS_S", 0.0)
    ident = world.order()["id"]
    work = InWork(shards=1, accepted=3, attempted=5, rejected={"mad": 2})
    after_looks(2, lambda: world.live.report_work(ident, 0, work, 60))
    after_looks(6, lambda: world.live.withdraw_work(ident, 0))
    after_looks(9, lambda: world.live.set_state(ident, DatasetState.CANCELLED, utcnow()))
    told = [e["data"] for e in follow(world, f"/v1/datasets/{ident}/events")
            if e["event"] == "progress"]  # fmt: skip
    assert told == [work.model_dump(), InWork().model_dump()]
