"""Leases, timers and counters of tries in Redis / Valkey: keys that expire."""

from collections.abc import Iterable
from typing import Any

from core.adapters import redis_scripts as scripts
from core.adapters.redis_connection import translated


class RedisLeaseBook:
    """Leases: keys that expire."""

    def __init__(self, redis: Any) -> None:
        """`redis`: made by `connect`."""
        self._redis = redis
        self._hold = redis.register_script(scripts.HOLD)
        self._held = redis.register_script(scripts.HELD)
        self._release = redis.register_script(scripts.RELEASE)
        self._once_every = redis.register_script(scripts.ONCE_EVERY)
        self._begin_try = redis.register_script(scripts.BEGIN_TRY)
        self._end_try = redis.register_script(scripts.END_TRY)

    @translated()
    def acquire(self, name: str, token: str, ttl_s: float) -> bool:
        return bool(self._hold(keys=[f"mf:lease:{name}"], args=[token, round(ttl_s * 1000)]))

    def renew(self, name: str, token: str, ttl_s: float) -> bool:
        return self.acquire(name, token, ttl_s)

    @translated()
    def release(self, name: str, token: str) -> None:
        self._release(keys=[f"mf:lease:{name}"], args=[token])

    @translated()
    def held(self, names: Iterable[str]) -> set[str]:
        asked = list(names)
        held = self._held(keys=[f"mf:lease:{name}" for name in asked]) if asked else []
        return {name for name, is_held in zip(asked, held, strict=True) if is_held}

    @translated()
    def once_every(self, name: str, period_s: float) -> bool:
        return bool(self._once_every(keys=[f"mf:timer:{name}"], args=[round(period_s * 1000)]))

    @translated()
    def begin_try(self, name: str, window_s: float) -> int:
        return int(self._begin_try(keys=[f"mf:tries:{name}"], args=[round(window_s * 1000)]))

    @translated()
    def end_try(self, name: str) -> None:
        self._end_try(keys=[f"mf:tries:{name}"])
