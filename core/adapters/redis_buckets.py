"""Token buckets in Redis / Valkey, shared by all processes of the API: mf:bucket:NAME, a hash."""

from typing import Any

from core.adapters import redis_scripts as scripts
from core.adapters.redis_connection import translated
from core.limits import Bucket, Taken, taken


class RedisBucketBook:
    """Buckets that expire once they are full again."""

    def __init__(self, redis: Any) -> None:
        """`redis`: made by `connect`."""
        self._take = redis.register_script(scripts.TAKE)

    @translated()
    def take(self, bucket: Bucket, amount: float) -> Taken:
        arguments = (bucket.size, round(bucket.window_s * 1000), amount)
        granted, left = self._take(keys=[f"mf:bucket:{bucket.name}"], args=arguments)
        return taken(bucket, amount, granted=bool(granted), left=float(left))
