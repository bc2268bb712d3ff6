"""Limits in Redis / Valkey, shared by all processes of the API.

mf:bucket:NAME                        a hash
mf:placing:TENANT, mf:recent:TENANT   sorted sets of order notes, by time
"""

from typing import Any

from core.adapters import redis_scripts as scripts
from core.adapters.redis_connection import translated
from core.limits import PLACING_S, RECENT_S, Bucket, OrderNote, Taken, taken


class RedisBucketBook:
    """Buckets that expire once they are full again."""

    def __init__(self, redis: Any) -> None:
        """`redis`: made by `connect`."""
        self._redis = redis
        self._take = redis.register_script(scripts.TAKE)
        self._begin_order = redis.register_script(scripts.BEGIN_ORDER)

    @translated()
    def take(self, bucket: Bucket, amount: float) -> Taken:
        arguments = (bucket.size, round(bucket.window_s * 1000), amount)
        granted, left = self._take(keys=[f"mf:bucket:{bucket.name}"], args=arguments)
        return taken(bucket, amount, granted=bool(granted), left=float(left))

    @translated()
    def begin_order(self, tenant: str, note: OrderNote) -> tuple[list[OrderNote], list[OrderNote]]:
        kept_ms = (round(PLACING_S * 1000), round(RECENT_S * 1000))
        placing, recent = self._begin_order(keys=_order_keys(tenant), args=(_line(note), *kept_ms))
        return [_note(line) for line in placing], [_note(line) for line in recent]

    @translated()
    def end_order(self, tenant: str, note: OrderNote, *, placed: bool) -> None:
        placing, recent = _order_keys(tenant)
        self._redis.zrem(placing, _line(note))
        if not placed:
            self._redis.zrem(recent, _line(note))


def _order_keys(tenant: str) -> tuple[str, str]:
    return f"mf:placing:{tenant}", f"mf:recent:{tenant}"


def _line(note: OrderNote) -> str:
    return f"{note.token} {note.dataset_id} {note.size_bytes}"


def _note(line: str) -> OrderNote:
    token, dataset_id, size = line.split()
    return OrderNote(token=token, dataset_id=dataset_id, size_bytes=int(size))
