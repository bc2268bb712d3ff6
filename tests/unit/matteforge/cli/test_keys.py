"""`matteforge keys` against scripted answers."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from click.testing import CliRunner

from matteforge.cli.keys import keys
from matteforge.schemas.keys import KeyPage, Limits, NewKeyOut

MADE = NewKeyOut(
    id="0123456789ab",
    name="trainer",
    tenant="lab",
    scopes=["read", "order"],
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    expires_at=None,
    limits=Limits(requests_per_second=5, samples_per_day=10**6),
    key="mf_secret",
)


@pytest.fixture
def requests(answer_by: Callable[..., list[httpx.Request]]) -> list[httpx.Request]:
    pages = {"GET": KeyPage(items=[MADE])}
    return answer_by(
        lambda sent: httpx.Response(200, content=pages.get(sent.method, MADE).model_dump_json())
    )


def run(*arguments):
    return CliRunner().invoke(keys, [*arguments, "--api-key", "k"])


def test_limits_are_sent_and_shown(requests):
    limits = ("--requests-per-second", "5", "--samples-per-day", "1000000")
    result = run("create", "trainer", "--tenant", "lab", *limits)
    assert result.exit_code == 0, result.output
    assert json.loads(requests[0].content)["limits"] == {
        "requests_per_second": 5.0,
        "samples_per_day": 1000000,
        "datasets_at_once": None,
        "bytes_stored": None,
    }
    assert result.stdout == "mf_secret\n"
    assert "requests per second 5, samples per day 1,000,000" in run("list").output


def test_a_limit_that_can_not_be_is_named(requests):
    result = run("create", "x", "--samples-per-day", "0")
    assert result.exit_code == 2
    assert "samples_per_day: Input should be greater than 0" in result.output
    assert requests == []


def test_scopes_are_set_and_nothing_else_is_sent(requests):
    assert run("scopes", MADE.id, "read", "train").exit_code == 0
    assert (requests[0].method, requests[0].url.path) == ("PATCH", f"/v1/keys/{MADE.id}")
    assert json.loads(requests[0].content) == {"scopes": ["read", "train"]}
    assert "'root' is not one of" in run("scopes", MADE.id, "root").output
    assert len(requests) == 1


def test_what_is_not_named_is_not_sent_in_a_change(requests):
    result = run("limit", MADE.id, "--samples-per-day", "50", "--bytes-stored", "default")
    assert result.exit_code == 0, result.output
    assert (requests[0].method, requests[0].url.path) == ("PATCH", f"/v1/keys/{MADE.id}")
    assert json.loads(requests[0].content) == {
        "limits": {"samples_per_day": 50, "bytes_stored": None}
    }
    run("limit", MADE.id, "--expires", "2030-01-31")
    assert json.loads(requests[1].content)["expires_at"] == "2030-01-31T00:00:00Z"
    run("limit", MADE.id, "--expires", "never")
    assert json.loads(requests[2].content)["expires_at"] is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--samples-per-day", "many"], "samples_per_day"),
        (["--requests-per-second", "0"], "requests_per_second"),
        (["--expires", "soon"], "soon"),
        ([], "name what is to be changed"),
    ],
)
def test_a_change_that_can_not_be_is_named(requests, options, told):
    result = run("limit", MADE.id, *options)
    assert (result.exit_code, requests) == (2, [])
    assert told in result.output
