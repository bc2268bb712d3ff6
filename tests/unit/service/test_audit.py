"""service.audit: who changed what, without a secret."""

import json
import logging

import pytest


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="matteforge.audit")
    return lambda: [
        json.loads(record.message) for record in caplog.records if record.name == "matteforge.audit"
    ]


def test_every_change_is_a_line_and_no_look(world, lines):
    made = world.order()
    world.http.get(f"/v1/datasets/{made['id']}")
    world.http.delete(f"/v1/datasets/{made['id']}", headers={"X-Request-ID": "mine-1"})
    first, second = lines()
    assert (first["method"], first["path"], first["status"]) == ("POST", "/v1/datasets", 202)
    assert (second["request_id"], second["status"], second["tenant"]) == ("mine-1", 204, "default")
    assert len(first["key"]) == 12


def test_what_was_refused_is_a_line_too_and_holds_no_secret(world, lines):
    secret = "mf_" + "s" * 43
    answer = world.http.post("/v1/datasets", json={}, headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 401
    (line,) = lines()
    assert (line["key"], line["status"]) == (None, 401)
    assert secret not in json.dumps(line)


@pytest.mark.parametrize("sent", ["", "x" * 101, "two words"])
def test_every_answer_has_an_id(world, sent):
    answer = world.http.get("/healthz", headers={"X-Request-ID": sent})
    assert answer.headers["X-Request-ID"] not in ("", sent)
