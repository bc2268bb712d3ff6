"""matteforge.client: requests, retries and event streams against scripted answers."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from core.datasets.dataset import DatasetView
from matteforge import MatteForge, MatteForgeRequestError, MatteForgeUnavailable
from matteforge.schemas.datasets import Counts, DatasetOut, DatasetPage, DatasetState
from matteforge.schemas.models import ModelOut, ModelPage
from matteforge.schemas.orders import DatasetSpec
from service.wire import dataset_out

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IDENT = "ds_" + "0" * 24

BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "fastapi", "starlette", "redis", "boto3", "celery", "numpy", "models", "workers", "service", "pydantic_settings"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
import matteforge, matteforge.cli.datasets
matteforge.MatteForge
"""  # noqa: E501


def dataset(state: DatasetState = DatasetState.QUEUED, accepted: int = 0) -> DatasetOut:
    counts = Counts(requested=10, accepted=accepted, shards_total=1)
    view = DatasetView(
        id=IDENT,
        state=state,
        spec=DatasetSpec(count=10, seed=1),
        bundle="sha256:" + "0" * 64,
        counts=counts,
        timestamps={DatasetState.QUEUED: NOW, state: NOW},
    )
    return dataset_out(view, NOW)


def answer(record: DatasetOut | DatasetPage | ModelPage, status: int = 200) -> httpx.Response:
    return httpx.Response(status, content=record.model_dump_json())


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    body = {
        "type": "about:blank",
        "title": "t",
        "status": status,
        "detail": "so it is",
        "code": code,
    }
    return httpx.Response(status, json=body, headers=headers)


class Script:
    """Answers one request after another; an exception is raised instead. The last one repeats."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        chosen = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(chosen, Exception):
            raise chosen
        return chosen

    def client(self) -> MatteForge:
        made = MatteForge("http://forge", "mf_key", transport=httpx.MockTransport(self))
        made.transport.sleep = self.slept.append
        return made


def test_the_client_needs_neither_a_server_nor_torch():
    subprocess.run([sys.executable, "-W", "error", "-c", BLOCKER], check=True, timeout=60)


def test_an_order_sends_only_what_was_given_and_a_key():
    script = Script(answer(dataset(), 202))
    with script.client() as client:
        assert client.order(10, truncation_psi=0.5).id == IDENT
        client.order(10, idempotency_key="mine")
    first, second = script.requests
    assert json.loads(first.content) == {"count": 10, "truncation_psi": 0.5}
    assert first.headers["Authorization"] == "Bearer mf_key"
    assert len(first.headers["Idempotency-Key"]) == 36
    assert second.headers["Idempotency-Key"] == "mine"


@pytest.mark.parametrize(
    "failure",
    [httpx.ConnectError("no"), httpx.ReadTimeout("slow"), problem(503, "store_unavailable")],
)
def test_an_order_is_retried_under_the_same_key(failure):
    script = Script(failure, failure, answer(dataset(), 202))
    with script.client() as client:
        assert client.order(10).id == IDENT
    assert len({request.headers["Idempotency-Key"] for request in script.requests}) == 1
    assert len(script.slept) == 2


def test_retries_end_and_say_why():
    script = Script(httpx.ConnectError("nobody there"))
    with script.client() as client, pytest.raises(MatteForgeUnavailable, match="nobody there"):
        client.get(IDENT)
    assert len(script.requests) == 5
    assert all(0 < pause <= 10 for pause in script.slept)


def test_retry_after_is_respected():
    script = Script(problem(503, "not_ready", **{"Retry-After": "5"}), answer(dataset()))
    with script.client() as client:
        client.get(IDENT)
    assert script.slept[0] == 5


def test_a_refusal_has_the_problems_code_and_is_not_retried():
    script = Script(problem(422, "invalid_spec"))
    with (
        script.client() as client,
        pytest.raises(MatteForgeRequestError, match="so it is") as caught,
    ):
        client.order(0)
    assert (caught.value.code, caught.value.status, len(script.requests)) == (
        "invalid_spec",
        422,
        1,
    )


def test_what_a_proxy_says_is_an_error_too():
    script = Script(httpx.Response(404, text="<html>nginx</html>"))
    with (
        script.client() as client,
        pytest.raises(MatteForgeRequestError, match="answered 404") as caught,
    ):
        client.get(IDENT)
    assert caught.value.code == "unknown"


def test_a_delete_whose_answer_was_lost_succeeds():
    script = Script(httpx.ReadError("cut"), problem(404, "not_found"))
    with script.client() as client:
        client.delete(IDENT)
    with (
        Script(problem(404, "not_found")).client() as client,
        pytest.raises(MatteForgeRequestError),
    ):
        client.delete(IDENT)


def test_lists_go_through_all_pages():
    script = Script(
        answer(DatasetPage(items=[dataset()], next_cursor="c1")),
        answer(DatasetPage(items=[dataset()], next_cursor=None)),
    )
    with script.client() as client:
        assert len(list(client.list(state="queued"))) == 2
    assert dict(script.requests[1].url.params) == {
        "limit": "100",
        "state": "queued",
        "cursor": "c1",
    }


def test_waiting_ends_with_the_dataset():
    states = (DatasetState.QUEUED, DatasetState.RUNNING, DatasetState.FAILED)
    script = Script(*(answer(dataset(state, accepted)) for accepted, state in enumerate(states)))
    seen: list[int] = []
    with script.client() as client:
        ended = client.wait(IDENT, lambda out: seen.append(out.counts.accepted), poll_s=3)
    assert ended.state is DatasetState.FAILED
    assert seen == [0, 1, 2]
    assert script.slept == [3, 3]


def test_waiting_has_an_end_of_its_own():
    with Script(answer(dataset())).client() as client, pytest.raises(TimeoutError):
        client.wait(IDENT, timeout_s=0)


def test_fields_of_a_newer_service_are_ignored():
    body = json.loads(dataset().model_dump_json()) | {"mood": "good"}
    with Script(httpx.Response(200, json=body)).client() as client:
        assert client.get(IDENT).id == IDENT


def test_models():
    model = ModelOut(
        name="humans", aliases={"champion": "sha256:0"}, resolution=128, thresholds={}, card={}
    )
    with Script(answer(ModelPage(items=[model]))).client() as client:
        assert client.models() == [model]


EVENTS = {"content-type": "text/event-stream"}


def events(*frames: tuple[str | None, str, dict]) -> httpx.Response:
    text = ": hello\n\n" + "".join(
        (f"id: {ident}\n" if ident else "") + f"event: {kind}\ndata: {json.dumps(data)}\n\n"
        for ident, kind, data in frames
    )
    return httpx.Response(200, text=text, headers=EVENTS)


@pytest.fixture
def broken_stream() -> Callable[..., httpx.Response]:
    def make(*frames: tuple[str | None, str, dict]) -> httpx.Response:
        def body():
            yield events(*frames).content
            raise httpx.ReadError("cut")

        return httpx.Response(200, content=body(), headers=EVENTS)

    return make


def test_what_a_quiet_stream_says_to_stay_open_is_no_event():
    frames = events(("7-0", "shard", {"shard": 0}), (None, "state", {"state": "completed"})).text
    quiet = frames.replace("event: state", ": ping\n\n: ping\n\nevent: state")
    script = Script(httpx.Response(200, text=quiet, headers=EVENTS))
    with script.client() as client:
        assert [event["kind"] for event in client.events(IDENT)] == ["shard", "state"]
    assert len(script.requests) == 1


def test_events_reconnect_where_they_broke_off(broken_stream):
    script = Script(
        broken_stream((None, "snapshot", {"state": "queued"}), ("7-0", "shard", {"shard": 0})),
        httpx.ConnectError("restarting"),
        problem(503, "store_unavailable"),
        events(("8-0", "shard", {"shard": 1}), (None, "state", {"state": "completed"})),
    )
    with script.client() as client:
        seen = list(client.events(IDENT))
    assert [event["kind"] for event in seen] == ["snapshot", "shard", "shard", "state"]
    assert [request.headers.get("Last-Event-ID") for request in script.requests] == [
        None,
        "7-0",
        "7-0",
        "7-0",
    ]


def test_events_end_when_the_dataset_is_deleted():
    script = Script(events(("1-0", "snapshot", {"state": "running"})), problem(404, "not_found"))
    with script.client() as client:
        assert [event["kind"] for event in client.events(IDENT)] == ["snapshot"]
    with (
        Script(problem(404, "not_found")).client() as client,
        pytest.raises(MatteForgeRequestError),
    ):
        list(client.events(IDENT))


def test_events_give_up_when_nobody_answers():
    script = Script(httpx.ConnectError("gone"))
    with script.client() as client, pytest.raises(MatteForgeUnavailable, match="gone"):
        list(client.events(IDENT))
    assert len(script.requests) == 5


def test_a_limit_of_seconds_is_waited_for_and_a_quota_is_not():
    slow = problem(429, "rate_limited", **{"Retry-After": "2"})
    waits = []
    answers = iter([slow, slow, answer(dataset())])
    with MatteForge(
        "http://x", "k", transport=httpx.MockTransport(lambda _: next(answers))
    ) as made:
        made.transport.sleep = waits.append
        assert made.get(IDENT).id == IDENT
    assert len(waits) == 2
    assert min(waits) >= 2
    spent = httpx.MockTransport(lambda _: problem(429, "quota_exceeded", **{"Retry-After": "9000"}))
    with MatteForge("http://x", "k", transport=spent) as made:
        made.transport.sleep = pytest.fail
        with pytest.raises(MatteForgeRequestError, match="quota_exceeded"):
            made.get(IDENT)
