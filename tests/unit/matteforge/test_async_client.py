"""matteforge.async_client: the same methods as MatteForge, and the same calls on the wire."""

import asyncio
import inspect
import json
import pydoc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, get_args, get_origin

import httpx
import pytest

from matteforge import AsyncMatteForge, MatteForge, MatteForgeRequestError, MatteForgeUnavailable
from matteforge.matte_batches import AsyncMatteBatches, MatteBatches
from matteforge.schemas.datasets import DatasetState
from matteforge.training import AsyncTraining, Training
from matteforge.webhooks import AsyncWebhooks, Webhooks

IDENT = "ds_" + "0" * 24


def public(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(member)
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def awaited(name: str, plain: inspect.Signature) -> tuple[str, inspect.Signature]:
    """What a method of the plain client is called and returns in the other."""
    returned = plain.return_annotation
    if get_origin(returned) is Iterator:
        return name, plain.replace(return_annotation=AsyncIterator[get_args(returned)])
    return "aclose" if name == "close" else name, plain


@pytest.mark.parametrize(
    ("plain", "asynchronous"),
    [
        (MatteForge, AsyncMatteForge),
        (Training, AsyncTraining),
        (MatteBatches, AsyncMatteBatches),
        (Webhooks, AsyncWebhooks),
    ],
)
def test_both_clients_say_the_same_methods_and_arguments(plain: type, asynchronous: type) -> None:
    expected = dict(awaited(name, signature) for name, signature in public(plain).items())
    assert public(asynchronous) == expected
    for name, signature in expected.items():
        streams = get_origin(signature.return_annotation) is AsyncIterator
        assert inspect.iscoroutinefunction(getattr(asynchronous, name)) is not streams


def test_help_shows_what_a_call_takes_and_returns() -> None:
    shown = pydoc.render_doc(MatteForge, renderer=pydoc.plaintext)
    assert "cancel(self, dataset_id: str) -> matteforge.schemas.datasets.DatasetOut" in shown
    assert "No further shards; what is committed stays." in shown


def client(*answers: httpx.Response | Exception, seen: list[httpx.Request]) -> AsyncMatteForge:
    left = list(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return AsyncMatteForge("http://forge", "mf_key", transport=httpx.MockTransport(handle))


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(seconds: float) -> None:
        pass

    monkeypatch.setattr("matteforge.transport.asyncio.sleep", at_once)


def ok(body: object) -> httpx.Response:
    return httpx.Response(200, json=body)


def events(*frames: tuple[str, str, dict[str, object]]) -> httpx.Response:
    text = "".join(f"id: {i}\nevent: {kind}\ndata: {json.dumps(d)}\n\n" for i, kind, d in frames)
    return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})


def test_an_order_is_retried_under_the_same_key(no_waits: None, queued: dict[str, Any]) -> None:
    seen: list[httpx.Request] = []

    async def order() -> str:
        lost = httpx.ReadTimeout("lost")
        async with client(lost, httpx.Response(503), ok(queued), seen=seen) as service:
            return (await service.order(10, truncation_psi=0.5)).id

    assert asyncio.run(order()) == IDENT
    assert len({request.headers["Idempotency-Key"] for request in seen}) == 1
    assert json.loads(seen[-1].content) == {"count": 10, "truncation_psi": 0.5}
    assert seen[0].headers["Authorization"] == "Bearer mf_key"


def test_pages_are_followed(no_waits: None, queued: dict[str, Any]) -> None:
    seen: list[httpx.Request] = []
    pages = [
        ok({"items": [queued], "next_cursor": "next"}),
        ok({"items": [queued], "next_cursor": None}),
    ]

    async def listed() -> list[str]:
        async with client(*pages, seen=seen) as service:
            return [dataset.id async for dataset in service.list(state="queued")]

    assert asyncio.run(listed()) == [IDENT, IDENT]
    assert [request.url.params.get("cursor") for request in seen] == [None, "next"]


def test_events_go_on_where_they_broke_off(no_waits: None) -> None:
    seen: list[httpx.Request] = []
    answers = (
        events(("7-0", "shard", {"shard": 0})),
        httpx.ConnectError("restarting"),
        events(("8-0", "state", {"state": "completed"})),
    )

    async def kinds() -> list[str]:
        async with client(*answers, seen=seen) as service:
            return [event["kind"] async for event in service.events(IDENT)]

    assert asyncio.run(kinds()) == ["shard", "state"]
    assert [request.headers.get("Last-Event-ID") for request in seen] == [None, "7-0", "7-0"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda: httpx.Response(404, json={}), MatteForgeRequestError),
        (lambda: httpx.ConnectError("no"), MatteForgeUnavailable),
    ],
)
def test_errors_are_those_of_the_plain_client(
    no_waits: None, answer: Callable[[], httpx.Response | Exception], expected: type[Exception]
) -> None:
    async def get() -> None:
        async with client(*(answer() for _ in range(5)), seen=[]) as service:
            await service.get(IDENT)

    with pytest.raises(expected):
        asyncio.run(get())


def test_waiting_ends_with_the_dataset(no_waits: None, queued: dict[str, Any]) -> None:
    done = queued | {"state": "completed"}

    async def wait() -> DatasetState:
        async with client(ok(queued), ok(queued), ok(done), seen=[]) as service:
            return (await service.wait(IDENT)).state

    assert asyncio.run(wait()) is DatasetState.COMPLETED
