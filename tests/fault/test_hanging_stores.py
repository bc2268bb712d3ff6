"""A store that takes connections but never answers: the API says so in seconds, and goes on."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from deploy.local.stack import Stack

GUESSES = 60
PATIENCE_S = 60.0


@contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    group = stack.supervisor.pids()[name]
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=PATIENCE_S) as client:
        assert client.get("/v1/datasets").status_code == 200
        yield client
        deadline_s = time.monotonic() + PATIENCE_S
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline_s, "ready again"
            time.sleep(0.2)


def timed(http: httpx.Client, path: str, **headers: str) -> tuple[httpx.Response, float]:
    begun_s = time.monotonic()
    answer = http.get(path, headers=headers)
    return answer, time.monotonic() - begun_s


def test_sixty_wrong_keys_while_s3_hangs(stack: Stack, http: httpx.Client) -> None:
    with frozen(stack, "seaweedfs"), ThreadPoolExecutor(GUESSES) as guessers:
        time.sleep(1.1)  # the list of keys is not fresh any more
        guesses = [
            guessers.submit(timed, http, "/v1/datasets", Authorization=f"Bearer wrong-{number}")
            for number in range(GUESSES)
        ]
        time.sleep(0.5)
        alive, alive_s = timed(http, "/healthz")
        ready, ready_s = timed(http, "/readyz")
        listed, listed_s = timed(http, "/v1/datasets")
        found, found_s = timed(http, "/v1/datasets/ds_" + "0" * 24)
        answered = [guess.result() for guess in guesses]
    slowest_s = max(seconds for _, seconds in answered)
    print(
        f"healthz {alive_s:.2f} s, readyz {ready.status_code} {ready_s:.2f} s, listing "
        f"{listed.status_code} {listed_s:.2f} s, dataset {found.status_code} {found_s:.2f} s, "
        f"wrong keys {sorted({a.status_code for a, _ in answered})} at most {slowest_s:.2f} s"
    )
    assert (alive.status_code, listed.status_code) == (200, 200)
    assert alive_s < 1.5
    assert "object store" in ready.json()["detail"]
    assert (found.status_code, found.headers["Retry-After"]) == (503, "5")
    assert max(ready_s, slowest_s) < 5
    assert found_s < 12
    assert {answer.status_code for answer, _ in answered} == {503}


def test_every_route_answers_within_two_seconds_while_valkey_hangs(
    stack: Stack, http: httpx.Client
) -> None:
    order = {"count": 3, "seed": 1}
    with frozen(stack, "valkey"):
        listed, listed_s = timed(http, "/v1/datasets")
        time.sleep(1.1)  # the breaker lets one call try
        begun_s = time.monotonic()
        ordered = http.post("/v1/datasets", json=order)
        ordered_s = time.monotonic() - begun_s
        alive, alive_s = timed(http, "/healthz")
        ready, ready_s = timed(http, "/readyz")
    print(
        f"listing {listed.status_code} {listed_s:.2f} s, order {ordered.status_code} "
        f"{ordered_s:.2f} s, healthz {alive_s:.2f} s, readyz {ready.status_code} {ready_s:.2f} s"
    )
    assert (listed.status_code, listed.headers["Retry-After"]) == (503, "5")
    assert (ordered.status_code, alive.status_code, ready.status_code) == (202, 200, 503)
    assert max(listed_s, ordered_s, alive_s, ready_s) < 2.5
    dataset = f"/v1/datasets/{ordered.json()['id']}"
    deadline_s = time.monotonic() + 3 * PATIENCE_S
    while (state := http.get(dataset).json().get("state")) != "completed":
        assert time.monotonic() < deadline_s, f"taken while Valkey hung, and still {state}"
        time.sleep(0.5)
