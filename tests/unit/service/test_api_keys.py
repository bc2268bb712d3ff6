"""/v1/keys, scopes and tenants: who may do what, and whose data a key sees."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core import keyring as module
from core.datasets.dataset import utcnow
from core.keyring import KeyRing
from matteforge.schemas.keys import Scope
from service import middleware
from service.scopes import needed

Key = Callable[..., tuple[str, TestClient]]


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH_S", 0.0)
    monkeypatch.setattr(middleware, "KEY_FRESH_S", 0.0)


@pytest.fixture
def key(world: Any) -> Key:
    """Makes a key and a client that sends it: key(tenant="a", scopes=["read"])."""

    def make(**wanted: object) -> tuple[str, TestClient]:
        made = world.http.post("/v1/keys", json={"name": "test", **wanted})
        assert made.status_code == 201, made.text
        http = TestClient(world.http.app, headers={"Authorization": f"Bearer {made.json()['key']}"})
        return made.json()["id"], http

    return make


def test_a_secret_is_shown_once_and_never_stored(world):
    made = world.http.post("/v1/keys", json={"name": "trainer", "scopes": ["read", "train"]}).json()
    listed = world.http.get("/v1/keys").json()["items"]
    assert {one["name"] for one in listed} == {"bootstrap", "trainer"}
    assert all("key" not in one for one in listed)
    assert made["key"].startswith("mf_")
    for name in world.store.list_keys(""):
        assert made["key"].encode() not in world.store.get(name)[0]


def test_a_revoked_key_stops_at_once_and_leaves_its_record(world, key):
    ident, http = key()
    assert http.get("/v1/datasets").status_code == 200
    assert world.http.delete(f"/v1/keys/{ident}").status_code == 204
    assert http.get("/v1/datasets").status_code == 401
    assert [name for name in world.store.list_keys("revoked-keys/") if ident in name]
    assert world.http.delete(f"/v1/keys/{ident}").status_code == 404


def test_a_rotated_key_has_a_new_secret_and_the_same_rights(world, key):
    ident, http = key(tenant="lab", scopes=["read"])
    new = world.http.post(f"/v1/keys/{ident}/rotate").json()
    assert http.get("/v1/datasets").status_code == 401
    assert (new["tenant"], new["scopes"]) == ("lab", ["read"])
    again = TestClient(world.http.app, headers={"Authorization": f"Bearer {new['key']}"})
    assert again.get("/v1/datasets").status_code == 200


def test_limits_that_are_changed_count_and_the_others_stay(world, key):
    ident, http = key(limits={"samples_per_day": 30, "datasets_at_once": 9})
    assert http.post("/v1/datasets", json={"count": 31}).status_code == 429
    body = {"limits": {"samples_per_day": 50, "requests_per_second": None}}
    changed = world.http.patch(f"/v1/keys/{ident}", json=body)
    assert changed.status_code == 200, changed.text
    limits = {"samples_per_day": 50, "datasets_at_once": 9, "requests_per_second": 1000.0}
    assert changed.json()["limits"] == limits | {"bytes_stored": None}
    assert changed.json() in world.http.get("/v1/keys").json()["items"]
    assert http.post("/v1/datasets", json={"count": 31}).status_code == 202
    assert http.post("/v1/datasets", json={"count": 31}).status_code == 429
    assert world.http.patch(f"/v1/keys/{ident}", json={}).json() == changed.json()


def test_another_process_counts_limits_that_were_changed(world, key):
    ident, http = key()
    other = KeyRing(world.store)
    secret = http.headers["Authorization"].removeprefix("Bearer ")
    assert other.find(secret).limits.datasets_at_once is None
    world.http.patch(f"/v1/keys/{ident}", json={"limits": {"datasets_at_once": 2}})
    assert other.find(secret).limits.datasets_at_once == 2


def test_scopes_that_are_changed_count_and_the_audit_trail_says_so(world, key):
    ident, http = key(limits={"samples_per_day": 30})
    assert http.post("/v1/datasets", json={"count": 1}).status_code == 202
    narrowed = world.http.patch(f"/v1/keys/{ident}", json={"scopes": ["read"]})
    assert (narrowed.json()["scopes"], narrowed.json()["limits"]["samples_per_day"]) == (
        ["read"],
        30,
    )
    assert http.post("/v1/datasets", json={"count": 1}).status_code == 403
    assert http.get("/v1/datasets").status_code == 200
    world.http.patch(f"/v1/keys/{ident}", json={"scopes": ["order", "train"]})
    assert http.get("/v1/datasets").status_code == 403
    assert http.post("/v1/datasets", json={"count": 1}).status_code == 202
    world.http.app.state.audit_trail.flush()
    lines = world.http.get("/v1/audit", params={"limit": 10}).json()["items"]
    assert [line["change"] for line in lines if line["method"] == "PATCH"] == [
        "scopes read -> order, train",
        "scopes read, order -> read",
    ]


def test_another_process_counts_scopes_that_were_changed_within_a_second(world, key, monkeypatch):
    monkeypatch.setattr(module, "FRESH_S", 0.5)
    ident, http = key()
    other = KeyRing(world.store)
    secret = http.headers["Authorization"].removeprefix("Bearer ")
    assert other.find(secret).may(Scope.ORDER)
    world.http.patch(f"/v1/keys/{ident}", json={"scopes": ["read"]})
    time.sleep(0.5)
    assert not other.find(secret).may(Scope.ORDER)


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[2Jgone", ""])
def test_a_name_that_can_not_be_shown_is_refused(world, name):
    assert world.http.post("/v1/keys", json={"name": name}).status_code == 422


def test_an_admin_does_not_shut_itself_out(world, key):
    ident, http = key(scopes=["admin"])
    assert http.patch(f"/v1/keys/{ident}", json={"scopes": ["read"]}).status_code == 409
    assert http.patch(f"/v1/keys/{ident}", json={"scopes": ["admin", "read"]}).status_code == 200
    assert world.http.patch(f"/v1/keys/{ident}", json={"scopes": ["read"]}).status_code == 200
    assert http.get("/v1/keys").status_code == 403


def test_an_end_can_be_set_and_taken_away(world, key, monkeypatch):
    ident, http = key()
    end = (utcnow() + timedelta(hours=1)).isoformat()
    assert world.http.patch(f"/v1/keys/{ident}", json={"expires_at": end}).json()["expires_at"]
    later = utcnow() + timedelta(hours=2)
    with monkeypatch.context() as patch:
        patch.setattr(module, "utcnow", lambda: later)
        assert http.get("/v1/datasets").status_code == 401
    taken = world.http.patch(f"/v1/keys/{ident}", json={"expires_at": None})
    assert taken.json()["expires_at"] is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"limits": {"samples_per_day": 0}}, 422),
        ({"limits": {"samples": 1}}, 422),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 422),
        ({"scopes": []}, 422),
        ({"scopes": ["root"]}, 422),
        ({"tenant": "other"}, 422),
        ([], 422),
    ],
)
def test_a_change_that_can_not_be_is_refused(world, key, body, status):
    ident, _ = key()
    before = world.http.get("/v1/keys").json()
    assert world.http.patch(f"/v1/keys/{ident}", json=body).status_code == status
    assert world.http.get("/v1/keys").json() == before


def test_the_bootstrap_key_and_unknown_ones_are_not_changed(world):
    (own,) = world.http.get("/v1/keys").json()["items"]
    body = {"limits": {"samples_per_day": 1}}
    assert world.http.patch(f"/v1/keys/{own['id']}", json=body).status_code == 409
    assert world.http.patch(f"/v1/keys/{'0' * 12}", json=body).status_code == 404


def test_a_key_that_is_revoked_meanwhile_does_not_come_back(world, key, monkeypatch):
    ident, http = key()
    real = world.store.put

    def revoked_first(name: str, *args: object, **options: object) -> str:
        if name.startswith("keys/"):
            world.store.delete(name)
        return real(name, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "put", revoked_first)
        changed = world.http.patch(f"/v1/keys/{ident}", json={"limits": {"samples_per_day": 5}})
    assert changed.status_code == 409
    assert http.get("/v1/datasets").status_code == 401


def test_a_key_ends_when_it_expires(world, key, monkeypatch):
    _, http = key(expires_at=(utcnow() + timedelta(hours=1)).isoformat())
    assert http.get("/v1/datasets").status_code == 200
    later = utcnow() + timedelta(hours=2)
    monkeypatch.setattr(module, "utcnow", lambda: later)
    assert http.get("/v1/datasets").status_code == 401


@pytest.mark.parametrize("end", ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00", "soon"])
def test_an_end_that_can_not_be_is_refused(world, end):
    assert world.http.post("/v1/keys", json={"name": "x", "expires_at": end}).status_code == 422


def test_another_bootstrap_key_replaces_the_one_before(world):
    ring = KeyRing(world.store)
    ring.register("mf_second")
    assert world.http.get("/v1/datasets").status_code == 401
    assert ring.find("mf_second") is not None
    assert ring.find("mf_test") is None


def test_one_cannot_revoke_the_key_one_uses(world):
    (own,) = world.http.get("/v1/keys").json()["items"]
    refused = world.http.delete(f"/v1/keys/{own['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")
    assert world.http.post(f"/v1/keys/{own['id']}/rotate").status_code == 409


def routes(http: TestClient) -> Iterator[tuple[str, str]]:
    for path, item in http.app.openapi()["paths"].items():
        for method in item:
            yield method.upper(), path


@pytest.mark.thorough
def test_every_route_is_refused_to_a_key_without_its_scope(world, key):
    clients = {scope: key(scopes=[scope])[1] for scope in ("read", "order", "train")}
    refused = 0
    for method, path in routes(world.http):
        if path in middleware.OPEN_PATHS:
            continue
        wanted = needed(method, path)
        for scope, http in clients.items():
            if scope == wanted:
                continue
            answer = http.request(method, re.sub(r"\{\w+\}", "ds_" + "0" * 24, path))
            assert answer.status_code == 403, (method, path, scope, answer.status_code)
            assert str(wanted) in answer.json()["detail"]
            refused += 1
    assert refused > 30


def test_a_route_that_nobody_thought_of_needs_admin():
    assert needed("POST", "/v1/something-new") is Scope.ADMIN
    assert needed("DELETE", "/v1/keys/0123456789ab") is Scope.ADMIN
    assert needed("GET", "/metrics") is Scope.ADMIN


def test_no_route_shows_a_dataset_to_another_tenant(world, key):
    _, ours = key(tenant="ours", scopes=["read", "order", "train"])
    _, theirs = key(tenant="theirs", scopes=["read", "order", "train"])
    made = ours.post("/v1/datasets", json={"count": 30, "shard_size": 10}).json()
    world.commit(made["id"], 0)
    checked = 0
    for method, path in routes(world.http):
        if "{dataset_id}" not in path:
            continue
        at = path.replace("{dataset_id}", made["id"]).replace("{name}", "000000.tar")
        at = re.sub(r"\{\w+\}", "00000000000", at)
        answer = theirs.request(method, at, json={} if method in ("POST", "PUT") else None)
        assert answer.status_code == 404, (method, path, answer.status_code, answer.text)
        assert made["id"] in answer.json()["detail"]
        checked += 1
    assert checked >= 7
    assert [one["id"] for one in ours.get("/v1/datasets").json()["items"]] == [made["id"]]
    assert theirs.get("/v1/datasets").json()["items"] == []
    assert made["id"] in [one["id"] for one in world.http.get("/v1/datasets").json()["items"]]
    assert ours.get(f"/v1/datasets/{made['id']}").status_code == 200


def test_tenancy_holds_when_redis_was_emptied(world, key):
    _, ours = key(tenant="ours")
    _, theirs = key(tenant="theirs")
    made = ours.post("/v1/datasets", json={"count": 30}).json()
    world.live.remove(made["id"])
    assert theirs.get(f"/v1/datasets/{made['id']}").status_code == 404
    assert ours.get(f"/v1/datasets/{made['id']}").status_code == 200


def test_keys_of_one_tenant_share_its_data_and_its_idempotency(world, key):
    _, first = key(tenant="lab")
    _, second = key(tenant="lab")
    send = {"json": {"count": 30}, "headers": {"Idempotency-Key": "once"}}
    ids = {http.post("/v1/datasets", **send).json()["id"] for http in (first, second)}
    assert len(ids) == 1
