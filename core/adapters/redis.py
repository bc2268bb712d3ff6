"""The live view and the leases in Redis / Valkey. Disposable: `recover` rebuilds all of it from S3.

mf:initialised        set once the live view was rebuilt
mf:index[:STATE]      sorted sets by (creation, id): all datasets, and those in one state
mf:ds:ID              hash: static part, counters, state, timestamps, error, cancel
mf:ds:ID:done         bitmap of committed shards
mf:ds:ID:rings        hash: shard -> when its message was sent
mf:ds:ID:work         hash: shard -> what is in it while it is made, until when that holds
mf:pace               hash: kind of sample -> seconds it takes
mf:ds:ID:events       stream, the newest EVENTS_KEPT
mf:lease:NAME         token of the holder and its time; expires
mf:bucket:NAME        hash: tokens left of a limit, and when that was (redis_buckets.py); expires
mf:consumers          hash: worker -> its queue, how long it has been idle, when it told
mf:bell:ID            a Reconcile of the dataset waits in the queue; expires (celery.py)
"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from core.adapters import live_view_rules as rules
from core.adapters import redis_scripts as scripts
from core.adapters.redis_connection import translated
from core.adapters.redis_records import (
    to_bitmap,
    to_counters,
    to_event,
    to_fields,
    to_view,
    to_work,
)
from core.datasets.catalog import add_shard
from core.datasets.dataset import DatasetView
from core.datasets.manifest import ShardRecord
from core.ports import Event
from matteforge.schemas.datasets import TERMINAL, Counts, DatasetState, ErrorInfo, InWork

INITIALISED = "mf:initialised"
INDEX = "mf:index"
PACE = "mf:pace"
WORK_TTL_S = 3600.0  # after which nothing is left of a dataset that nobody reports on
RANK_AT_END = rules.state_rank(DatasetState.COMPLETED)


class RedisLiveView:
    """The live view of every dataset."""

    def __init__(self, redis: Any) -> None:
        """`redis`: made by `connect`."""
        self._redis = redis
        self._set_state = redis.register_script(scripts.SET_STATE)
        self._add_shard = redis.register_script(scripts.ADD_SHARD)
        self._set_field = redis.register_script(scripts.SET_FIELD)
        self._forget_shard = redis.register_script(scripts.FORGET_SHARD)
        self._ring_mark = redis.register_script(scripts.RING_MARK)
        self._undone = redis.register_script(scripts.UNDONE)

    @translated()
    def ping(self) -> None:
        self._redis.ping()

    @translated()
    def is_initialised(self) -> bool:
        return bool(self._redis.exists(INITIALISED))

    @translated()
    def mark_initialised(self) -> None:
        self._redis.set(INITIALISED, 1)

    @translated()
    def put(self, view: DatasetView, *, done: Iterable[int] = ()) -> None:
        key, member = _key(view.id), rules.index_member(view.id, view.created_at)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(key, f"{key}:done", f"{key}:rings")
            pipe.hset(key, mapping={**to_fields(view), "member": member})
            pipe.set(f"{key}:done", to_bitmap(view.counts.shards_total, done))
            for state in DatasetState:
                pipe.zrem(f"{INDEX}:{state}", member)
            pipe.zadd(INDEX, {member: 0})
            pipe.zadd(f"{INDEX}:{view.state}", {member: 0})
            pipe.execute()

    @translated()
    def get(self, dataset_id: str) -> DatasetView | None:
        return self._views([dataset_id])[0]

    @translated()
    def remove(self, dataset_id: str) -> None:
        key = _key(dataset_id)
        member = self._redis.hget(key, "member")
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(key, f"{key}:done", f"{key}:rings", f"{key}:events", f"{key}:work")
            for index in (INDEX, *(f"{INDEX}:{state}" for state in DatasetState)):
                pipe.zrem(index, member or "")
            pipe.execute()

    @translated()
    def page(
        self, *, state: DatasetState | None, after: str | None, limit: int
    ) -> tuple[list[DatasetView], str | None]:
        index = INDEX if state is None else f"{INDEX}:{state}"
        newest = "+" if after is None else f"({rules.decode_cursor(after)}"
        members = self._redis.zrange(
            index, newest, "-", desc=True, bylex=True, offset=0, num=limit + 1
        )
        ids = [member.partition(":")[2] for member in members[:limit]]
        views = self._views(ids)
        more = rules.encode_cursor(members[limit - 1]) if len(members) > limit else None
        return [view for view in views if view is not None], more

    def _views(self, ids: list[str]) -> list[DatasetView | None]:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for dataset_id in ids:
                pipe.hgetall(_key(dataset_id))
                pipe.hgetall(f"{_key(dataset_id)}:work")
            (now_s, _), *found = pipe.execute()
        return [
            to_view(dataset_id, fields, rules.add_work(to_work(told, now_s)))
            for dataset_id, fields, told in zip(ids, found[::2], found[1::2], strict=True)
        ]

    @translated()
    def active_ids(self) -> list[str]:
        active = [f"{INDEX}:{state}" for state in DatasetState if state not in TERMINAL]
        return [member.partition(":")[2] for member in self._redis.zunion(active)]

    @translated()
    def set_state(
        self,
        dataset_id: str,
        state: DatasetState,
        at: datetime,
        *,
        error: ErrorInfo | None = None,
        counts: Counts | None = None,
    ) -> bool:
        data: dict[str, Any] = {"state": state.value, "at": at.isoformat()}
        if error:
            data["error"] = error.model_dump()
        arguments = (
            rules.state_rank(state),
            state.value,
            at.isoformat(),
            error.model_dump_json() if error else "",
            json.dumps(to_counters(counts)) if counts else "",
            json.dumps(data),
            rules.EVENTS_KEPT,
        )
        return bool(self._set_state(keys=[_key(dataset_id), INDEX], args=arguments))

    @translated()
    def request_cancel(self, dataset_id: str) -> None:
        self._set_field(keys=[_key(dataset_id)], args=["cancel", "1"])

    @translated()
    def add_shard(self, dataset_id: str, record: ShardRecord) -> bool:
        increments = json.dumps(to_counters(add_shard(Counts(requested=0, shards_total=0), record)))
        arguments = (
            RANK_AT_END,
            record.shard,
            increments,
            record.model_dump_json(),
            rules.EVENTS_KEPT,
        )
        self._redis.hdel(f"{_key(dataset_id)}:work", str(record.shard))
        return bool(self._add_shard(keys=[_key(dataset_id)], args=arguments))

    @translated()
    def report_work(self, dataset_id: str, shard: int, work: InWork, ttl_s: float) -> None:
        key = f"{_key(dataset_id)}:work"
        now_s, _ = self._redis.time()
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hset(key, str(shard), f"{now_s + ttl_s} {work.model_dump_json()}")
            pipe.expire(key, round(WORK_TTL_S))
            pipe.execute()

    @translated()
    def withdraw_work(self, dataset_id: str, shard: int) -> None:
        self._redis.hdel(f"{_key(dataset_id)}:work", str(shard))

    @translated()
    def note_pace(self, kind: str, seconds_a_sample: float) -> None:
        before = self._redis.hget(PACE, kind)
        after = rules.blended(None if before is None else float(before), seconds_a_sample)
        self._redis.hset(PACE, kind, after)

    @translated()
    def pace(self, kind: str) -> float | None:
        found = self._redis.hget(PACE, kind)
        return None if found is None else float(found)

    @translated()
    def forget_shard(self, dataset_id: str, shard: int) -> None:
        self._forget_shard(keys=[_key(dataset_id)], args=[shard])

    @translated()
    def undone(self, dataset_id: str, *, start: int, limit: int) -> list[int]:
        return list(self._undone(keys=[_key(dataset_id)], args=[start, limit]))

    @translated()
    def ring_mark(self, dataset_id: str, shard: int, at_s: float) -> bool:
        return bool(self._ring_mark(keys=[_key(dataset_id)], args=[shard, at_s]))

    @translated()
    def ring_marks(self, dataset_id: str) -> dict[int, float]:
        marks = self._redis.hgetall(f"{_key(dataset_id)}:rings")
        return {int(shard): float(at_s) for shard, at_s in marks.items()}

    @translated()
    def clear_ring_mark(self, dataset_id: str, shard: int) -> None:
        self._redis.hdel(f"{_key(dataset_id)}:rings", shard)

    @translated()
    def events(self, dataset_id: str, *, after: str | None, limit: int = 100) -> list[Event] | None:
        stream = f"{_key(dataset_id)}:events"
        if after is None or after == rules.NO_EVENT:
            if after == rules.NO_EVENT and self._redis.xlen(stream) >= rules.EVENTS_KEPT:
                return None
            return [to_event(*entry) for entry in self._redis.xrange(stream, count=limit)]
        if rules.parse_event_id(after) is None:
            return None
        entries = self._redis.xrange(stream, min=after, count=limit + 1)
        if not entries or entries[0][0] != after:
            return None
        return [to_event(*entry) for entry in entries[1:]]

    @translated()
    def last_event_id(self, dataset_id: str) -> str:
        newest = self._redis.xrevrange(f"{_key(dataset_id)}:events", count=1)
        return str(newest[0][0]) if newest else rules.NO_EVENT


def _key(dataset_id: str) -> str:
    return f"mf:ds:{dataset_id}"
