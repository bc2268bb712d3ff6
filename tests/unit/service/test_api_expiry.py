"""When a dataset expires: as ordered, as the policy says, as it is changed."""

from datetime import datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from core.datasets.dataset import utcnow
from core.settings import Settings
from service.app import create_app

IN_A_YEAR = (utcnow() + timedelta(days=365)).isoformat()


def days_left(dataset: dict) -> float:
    return (datetime.fromisoformat(dataset["expires_at"]) - utcnow()).total_seconds() / 86400


def test_an_order_says_when_it_expires(world):
    assert world.order()["expires_at"] is None
    assert days_left(world.order(expires_in_s=86400)) == pytest.approx(1, abs=0.01)
    made = world.order(expires_at=IN_A_YEAR)
    assert days_left(made) == pytest.approx(365, abs=0.01)
    world.live.remove(made["id"])  # and so does the store
    shown = world.http.get(f"/v1/datasets/{made['id']}").json()
    assert shown["expires_at"] == made["expires_at"]


@pytest.mark.parametrize(
    "spec",
    [
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2099-01-01T00:00:00"},
        {"expires_at": IN_A_YEAR, "expires_in_s": 86400},
        {"expires_in_s": 1},
        {"expires_in_s": "86400"},
    ],
)
def test_an_end_that_can_not_be_is_refused(world, spec):
    assert world.http.post("/v1/datasets", json={"count": 5, **spec}).status_code == 422


def test_a_repeated_order_keeps_its_first_end(world):
    send = {"json": {"count": 5, "expires_in_s": 3600}, "headers": {"Idempotency-Key": "once"}}
    first, second = (world.http.post("/v1/datasets", **send).json() for _ in range(2))
    assert (first["id"], first["expires_at"]) == (second["id"], second["expires_at"])


def test_the_end_can_be_moved_and_taken_back(world):
    made = world.order(expires_in_s=3600)
    path = f"/v1/datasets/{made['id']}/expiry"
    assert days_left(world.http.put(path, json={"expires_at": IN_A_YEAR}).json()) > 364
    assert world.http.put(path, json={"expires_at": None}).json()["expires_at"] is None
    world.live.remove(made["id"])
    assert world.http.get(f"/v1/datasets/{made['id']}").json()["expires_at"] is None
    for wrong in ({"expires_at": "2020-01-01T00:00:00Z"}, {}, {"expires_at": "soon"}):
        assert world.http.put(path, json=wrong).status_code == 422
    nobodys = "/v1/datasets/ds_" + "0" * 24 + "/expiry"
    assert world.http.put(nobodys, json={"expires_at": None}).status_code == 404


def test_a_move_of_the_end_leaves_counts_as_they_are(world):
    made = world.order(expires_in_s=3600)
    world.commit(made["id"], 0)
    path = f"/v1/datasets/{made['id']}"
    before = world.http.get(path).json()["counts"]
    world.http.put(f"{path}/expiry", json={"expires_at": None})
    assert world.http.get(path).json()["counts"] == before


def test_the_policy_is_by_label_and_an_order_comes_first(world):
    settings = Settings(api_key="mf_test", retention_days={"team=scratch": 7, "*": 30})
    app = create_app(settings, store=world.store, live=world.live, doorbell=world.doorbell)
    with TestClient(app, headers=world.http.headers) as http:

        def order(**spec: object) -> dict:
            return http.post("/v1/datasets", json={"count": 5, **spec}).json()

        assert days_left(order()) == pytest.approx(30, abs=0.01)
        assert days_left(order(labels={"team": "scratch"})) == pytest.approx(7, abs=0.01)
        kept = order(labels={"team": "scratch"}, expires_in_s=86400 * 90)
        assert days_left(kept) == pytest.approx(90, abs=0.01)
