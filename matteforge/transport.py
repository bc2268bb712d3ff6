"""HTTP with patience: retries with jitter, and problems as exceptions."""

import asyncio
import io
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

from matteforge.calls import Call
from matteforge.errors import ApiKeyInvalid, MatteForgeRequestError, MatteForgeUnavailable
from matteforge.schemas.problems import Problem

RETRIED = frozenset({500, 502, 503, 504})
TOO_FAST = "rate_limited"  # by the second; other limits are not waited for
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30)
"""httpx's own but for the last: who asks every few seconds keeps a connection. The API ends one
after 75 s, later than a client does."""

SENDABLE = re.compile(r"[\x20-\x7e]+")

Answer = TypeVar("Answer")
Sleep = Callable[[float], None]


def pauses(attempts: int) -> Iterator[float]:
    """Seconds between attempts: exponential with full jitter, at least a tenth of each step."""
    for step in range(attempts - 1):
        longest = min(FIRST_PAUSE_S * 2**step, LONGEST_PAUSE_S)
        yield random.uniform(longest / 10, longest)  # no secret: jitter  # nosec B311


def authorization(api_key: str) -> dict[str, str]:
    """The header that carries a key; blanks around it, such as a file's line feed, are cut off.

    Raises ApiKeyInvalid, which does not show it.
    """
    key = api_key.strip()
    if SENDABLE.fullmatch(key) is None:
        raise ApiKeyInvalid(str(ApiKeyInvalid.__doc__))
    return {"Authorization": f"Bearer {key}"}


def problem_of(response: httpx.Response) -> Problem:
    """The problem in an error response, or one that stands for what a proxy sent instead."""
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        detail = (
            f"{response.request.url.path} answered {response.status_code} {response.reason_phrase}"
        )
        return Problem(
            type="about:blank", title="", status=response.status_code, detail=detail, code="unknown"
        )


def retry_after_s(response: httpx.Response) -> float:
    """Seconds that the service asks to wait, within reason; 0 when it does not say."""
    value = response.headers.get("Retry-After", "")
    return min(float(value), LONGEST_PAUSE_S) if value.isdecimal() else 0.0


class _Sent(io.FileIO):
    """A file that tells how far it is read."""

    def __init__(self, path: Path, on_bytes: Callable[[int, int], object] | None) -> None:
        super().__init__(path)
        self._on_bytes, self._size_bytes = on_bytes, path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size) or b""
        if self._on_bytes is not None:
            self._on_bytes(self.tell(), self._size_bytes)
        return piece


@contextmanager
def sent(call: Call[Answer]) -> Iterator[dict[str, Any]]:
    """What httpx's `request` takes for a call, beside method and path, with its files open."""
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(_Sent(content, call.on_bytes))
            if isinstance(content, Path)
            else content
            for name, content in (call.files or {}).items()
        }
        request: dict[str, Any] = {
            "json": call.json, "params": call.params, "headers": call.headers,
            "files": files or None, "data": call.form,
        }  # fmt: skip
        if call.timeout_s is not None:
            request["timeout"] = call.timeout_s
        yield request


class Tries:
    """The tries of one call: what to make of each outcome, and how long to wait. No network."""

    def __init__(self, call: Call[Answer], attempts: int) -> None:
        self._call = call
        self._waits = pauses(attempts)
        self._failure: Exception | None = None

    def settled(self, response: httpx.Response) -> bool:
        """True when the response is the answer. Raises MatteForgeRequestError for a refusal."""
        if response.status_code < 400:
            return True
        if self._call.gone_is_done and self._failure and response.status_code == 404:
            return True
        refusal = MatteForgeRequestError(problem_of(response))
        if response.status_code not in RETRIED and refusal.code != TOO_FAST:
            raise refusal
        self._failure = refusal
        return False

    def failed(self, error: httpx.TransportError) -> None:
        self._failure = error

    def wait_s(self, response: httpx.Response | None) -> float:
        """Seconds before the next try, as many as the response asks for at least. Raises
        MatteForgeUnavailable when there is none left."""
        wait_s = next(self._waits, None)
        if wait_s is None:
            where = f"{self._call.method} {self._call.path}"
            raise MatteForgeUnavailable(f"{where}: {self._failure}") from self._failure
        return max(wait_s, retry_after_s(response) if response else 0.0)


class Transport:
    """Calls to one service, one after the other. Raises MatteForgeRequestError for a refusal and
    MatteForgeUnavailable when the tries are spent."""

    def __init__(self, http: httpx.Client, *, attempts: int = 5, sleep: Sleep = time.sleep) -> None:
        self.http = http
        self.attempts = attempts
        self.sleep = sleep

    def send(self, call: Call[Answer]) -> Answer:
        tries = Tries(call, self.attempts)
        while True:
            response = None
            try:
                with sent(call) as request:
                    response = self.http.request(call.method, call.path, **request)
            except httpx.TransportError as error:
                tries.failed(error)
            else:
                if tries.settled(response):
                    return call.read(response)
            self.sleep(tries.wait_s(response))


class AsyncTransport:
    """The same for an event loop."""

    def __init__(self, http: httpx.AsyncClient, *, attempts: int = 5) -> None:
        self.http = http
        self.attempts = attempts

    async def send(self, call: Call[Answer]) -> Answer:
        tries = Tries(call, self.attempts)
        while True:
            response = None
            try:
                with sent(call) as request:
                    response = await self.http.request(call.method, call.path, **request)
            except httpx.TransportError as error:
                tries.failed(error)
            else:
                if tries.settled(response):
                    return call.read(response)
            await asyncio.sleep(tries.wait_s(response))
