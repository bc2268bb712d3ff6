"""HTTP with patience: retries with jitter, and problems as exceptions."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
from pydantic import ValidationError

from matteforge.errors import MatteForgeRequestError, MatteForgeUnavailable
from matteforge.schemas.problems import Problem

RETRIED = frozenset({500, 502, 503, 504})
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0

Sleep = Callable[[float], None]


def pauses(attempts: int) -> Iterator[float]:
    """Seconds between attempts: exponential with full jitter, at least a tenth of each step."""
    for step in range(attempts - 1):
        longest = min(FIRST_PAUSE_S * 2**step, LONGEST_PAUSE_S)
        yield random.uniform(longest / 10, longest)


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


class Transport:
    """Requests to one service. Every request that goes through here must be safe to repeat."""

    def __init__(self, http: httpx.Client, *, attempts: int = 5, sleep: Sleep = time.sleep) -> None:
        self.http = http
        self.attempts = attempts
        self.sleep = sleep

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        gone_is_done: bool = False,
    ) -> httpx.Response:
        """A response below 400. MatteForgeRequestError for 4xx, MatteForgeUnavailable when retries
        are spent.

        gone_is_done: a 404 after a first try whose answer was lost means that this try did it.
        """
        waits = pauses(self.attempts)
        failure: Exception | None = None
        while True:
            try:
                response = self.http.request(
                    method, path, json=json, params=params, headers=headers
                )
            except httpx.TransportError as error:
                failure, asked_for_s = error, 0.0
            else:
                if response.status_code < 400 or (
                    gone_is_done and failure and response.status_code == 404
                ):
                    return response
                failure = MatteForgeRequestError(problem_of(response))
                if response.status_code not in RETRIED:
                    raise failure
                asked_for_s = retry_after_s(response)
            wait_s = next(waits, None)
            if wait_s is None:
                raise MatteForgeUnavailable(f"{method} {path}: {failure}") from failure
            self.sleep(max(wait_s, asked_for_s))

    def json(self, path: str, *, params: Mapping[str, str | int] | None = None) -> Any:
        return self.request("GET", path, params=params).json()


def retry_after_s(response: httpx.Response) -> float:
    """Seconds that the service asks to wait, within reason; 0 when it does not say."""
    value = response.headers.get("Retry-After", "")
    return min(float(value), LONGEST_PAUSE_S) if value.isdecimal() else 0.0
