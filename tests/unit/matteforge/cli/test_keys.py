"""`matteforge keys` against scripted answers."""

import json
from datetime import UTC, datetime

import httpx
import pytest
from click.testing import CliRunner

from matteforge import MatteForge
from matteforge.cli import connection
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
def requests(monkeypatch):
    seen = []

    def answer(request):
        seen.append(request)
        return httpx.Response(
            200,
            content=(MADE if request.method == "POST" else KeyPage(items=[MADE])).model_dump_json(),
        )

    made = lambda url, key: MatteForge(url, key, transport=httpx.MockTransport(answer))  # noqa: E731
    monkeypatch.setattr(connection, "MatteForge", made)
    return seen


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
