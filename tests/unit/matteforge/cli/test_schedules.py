"""`matteforge schedules` against scripted answers."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from click.testing import CliRunner

from matteforge.cli.schedules import schedules
from matteforge.schemas.training import ScheduleOut, SchedulePage, TrainingSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OUT = ScheduleOut(
    domain="humans",
    every_s=43200,
    min_new_samples=100,
    set_at=NOW,
    last_run=None,
    due_at=NOW,
    new_samples=7,
    run=TrainingSpec(domain="humans", labelled=["a"], unlabelled=["b"]),
    waits_for="93 more new samples",
)
ANSWERS = {
    "PUT": httpx.Response(200, content=OUT.model_dump_json()),
    "GET": httpx.Response(200, content=SchedulePage(items=[OUT]).model_dump_json()),
    "DELETE": httpx.Response(204),
}
LINE = "humans           every 12 h, 7 new samples (at least 100); waits for 93 more new samples\n"


@pytest.fixture
def requests(answer_by: Callable[..., list[httpx.Request]]) -> list[httpx.Request]:
    return answer_by(lambda request: ANSWERS[request.method])


def run(*arguments):
    return CliRunner().invoke(schedules, [*arguments, "--api-key", "k"])


def test_a_schedule_is_set_from_the_command_line(requests):
    options = "--every 12h --min-new-samples 100 --labelled a --unlabelled b --set samples=200"
    assert run("set", "humans", *options.split()).output == LINE
    assert requests[0].url.path == "/v1/training-schedules/humans"
    body = json.loads(requests[0].content)
    assert (body["every_s"], body["min_new_samples"]) == (43200, 100)
    assert TrainingSpec(**body["run"]).samples == 200


def test_schedules_are_listed_and_deleted(requests):
    assert run("list").output == LINE
    assert run("delete", "humans").output == "humans has no schedule any more\n"
    assert [request.method for request in requests] == ["GET", "DELETE"]


def test_a_period_has_a_unit(requests):
    answer = run("set", "humans", "--every", "12", "--labelled", "a", "--unlabelled", "b")
    assert answer.exit_code == 2
    assert "'12' is not a number and one of s, m, h, d, e.g. 12h" in answer.output
    assert requests == []
