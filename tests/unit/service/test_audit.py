"""service.audit: who changed what, without a secret."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.audit import AuditBook
from core.errors import StoreUnavailable
from core.settings import Settings
from service.app import create_app


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
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
    assert world.http.get("/v1/audit").json()["items"] == []  # strangers don't fill the store


@pytest.mark.parametrize("sent", ["", "x" * 101, "two words"])
def test_every_answer_has_an_id(world, sent):
    answer = world.http.get("/healthz", headers={"X-Request-ID": sent})
    assert answer.headers["X-Request-ID"] not in ("", sent)


def test_the_trail_is_read_by_admins_and_survives_a_restart(world):
    made = world.order()
    world.http.delete(f"/v1/datasets/{made['id']}", headers={"X-Request-ID": "mine-1"})
    newest, before = world.http.get("/v1/audit").json()["items"]
    assert (newest["request_id"], newest["method"], newest["status"]) == ("mine-1", "DELETE", 204)
    assert (before["path"], before["tenant"]) == ("/v1/datasets", "default")
    again = create_app(
        Settings(api_key="mf_test"), store=world.store, live=world.live, doorbell=world.doorbell
    )
    with TestClient(again, headers=world.http.headers) as http:
        assert http.get("/v1/audit").json()["items"] == [newest, before]
        assert http.get("/v1/audit?tenant=lab").json()["items"] == []
        page = http.get("/v1/audit?limit=1").json()
        assert page["items"] == [newest]
        rest = http.get("/v1/audit", params={"limit": 1, "cursor": page["next_cursor"]}).json()
        assert (rest["items"], rest["next_cursor"]) == ([before], None)


def test_lines_wait_while_the_store_is_away(world, monkeypatch):
    def away(*_, **__):
        raise StoreUnavailable

    trail = world.http.app.state.audit_trail
    with monkeypatch.context() as patch:
        patch.setattr(AuditBook, "put", away)
        world.http.delete("/v1/datasets/ds_" + "0" * 24)
        trail.flush()
    (line,) = world.http.get("/v1/audit").json()["items"]
    assert line["status"] == 404
