"""A connection to Redis / Valkey: timeouts, retries, and errors in MatteForge's words."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.backoff import DecorrelatedJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout
from redis.retry import Retry

from core.errors import LiveViewUnavailable

# A peer that vanished without a word is noticed within 25 s; names differ outside Linux.
KEEPALIVE = {
    number: value
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if (number := getattr(socket, name, None)) is not None
}


def connect(
    url: str, *, timeout_s: float = 5, retries: int = 3, retry_timeouts: bool = True
) -> Any:
    """A client that waits at most `timeout_s` for an answer and repeats a failed call `retries`
    times, with jitter; one that timed out only if `retry_timeouts`.
    """
    supported = (RedisConnectionError, RedisTimeout) if retry_timeouts else (RedisConnectionError,)
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        socket_keepalive=True,
        socket_keepalive_options=KEEPALIVE,
        retry=Retry(DecorrelatedJitterBackoff(cap=0.5, base=0.05), retries, supported),
    )


@contextmanager
def translated() -> Iterator[None]:
    """Errors of Redis as LiveViewUnavailable."""
    try:
        yield
    except ResponseError as error:  # of one whose disk is full, say: it can still be read
        refused = LiveViewUnavailable(f"Redis: {error}")
        refused.answered = True
        raise refused from error
    except (RedisError, OSError) as error:
        raise LiveViewUnavailable(f"Redis: {error}") from error
