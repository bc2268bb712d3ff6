"""/v1/training-schedules: what is set is shown with what it waits for."""

from collections.abc import Callable
from typing import Any

import pytest

from core.corpora import CorpusBook, CorpusManifest

RUN = {"domain": "humans", "labelled": ["people"], "unlabelled": ["people"], "preset": "tiny"}
BODY = {"every_s": 86400, "min_new_samples": 10, "run": RUN}
PATH = "/v1/training-schedules/humans"


@pytest.fixture(autouse=True)
def _people(world: Any, corpus_of: Callable[..., CorpusManifest]) -> None:
    CorpusBook(world.store).grow(corpus_of("people", samples=5))


def test_a_schedule_is_set_shown_replaced_and_deleted(world):
    made = world.http.put(PATH, json=BODY)
    assert made.status_code == 200, made.text
    shown = made.json()
    assert (shown["domain"], shown["new_samples"], shown["waits_for"], shown["last_run"]) == (
        "humans",
        15,
        None,
        None,
    )
    assert shown["run"]["generator"] == "tiny-32"
    assert world.http.get(PATH).json() == shown
    replaced = world.http.put(PATH, json={**BODY, "min_new_samples": 40}).json()
    assert replaced["waits_for"] == "25 more new samples"
    assert world.http.get("/v1/training-schedules").json()["items"] == [replaced]
    assert world.http.delete(PATH).status_code == 204
    assert world.http.get("/v1/training-schedules").json()["items"] == []
    assert [world.http.request(verb, PATH).status_code for verb in ("GET", "DELETE")] == [404, 404]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"every_s": 1}, "/every_s"),
        ({"min_new_samples": -1}, "/min_new_samples"),
        ({"run": {**RUN, "labelled": ["nobody"]}}, "no corpus 'nobody'"),
        (
            {"run": {**RUN, "domain": "animals"}},
            "run/domain: is 'animals', but the schedule is that of 'humans'",
        ),
        ({"run": {**RUN, "samples": "many"}}, "/run/samples"),
        ({"cron": "* * * * *"}, "/cron"),
    ],
)
def test_a_wrong_schedule_says_what_is_wrong(world, changes, says):
    answer = world.http.put(PATH, json={**BODY, **changes})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_spec")
    assert says in answer.json()["detail"]
