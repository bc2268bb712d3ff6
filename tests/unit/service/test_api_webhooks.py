"""/v1/webhooks: a tenant's secret, deliveries, replays and test messages."""

from datetime import timedelta
from typing import Any

import pytest

from core.datasets.dataset import utcnow
from core.messages import SendWebhook
from core.webhooks.events import ping_delivery
from core.webhooks.records import WebhookBook
from matteforge.schemas.webhooks import DeliveryState

URL = "https://example.org/hook"


def test_the_secret_is_shown_once_and_renewed(world: Any) -> None:
    assert world.http.get("/v1/webhooks/secret").status_code == 404
    first = world.http.post("/v1/webhooks/secret").json()
    assert first["secret"].startswith("whsec_")
    assert first["previous_until"] is None
    second = world.http.post("/v1/webhooks/secret").json()
    assert second["secret"] != first["secret"]
    seen = world.http.get("/v1/webhooks/secret").json()
    assert set(seen) == {"created_at", "previous_until"}
    assert seen["previous_until"] is not None


def test_an_order_needs_a_secret_and_an_open_address(world: Any) -> None:
    body = {"count": 30, "shard_size": 10, "webhook_url": URL}
    refused = world.http.post("/v1/datasets", json=body)
    assert refused.status_code == 422
    assert "matteforge webhooks secret" in refused.json()["detail"]
    world.http.post("/v1/webhooks/secret")
    assert world.http.post("/v1/datasets", json=body).json()["spec"]["webhook_url"] == URL
    for url in ("http://example.org/", "https://127.0.0.1/", "https://2130706433/", "ftp://a.b/"):
        assert world.http.post("/v1/datasets", json=body | {"webhook_url": url}).status_code == 422
    wrong = world.http.post("/v1/datasets", json=body | {"webhook_events": ["ping"]})
    assert "known: dataset.completed" in wrong.json()["detail"]


@pytest.fixture
def delivery(world: Any) -> dict:
    world.http.post("/v1/webhooks/secret")
    answer = world.http.post("/v1/webhooks/test", json={"url": URL})
    assert answer.status_code == 202
    return answer.json()


def rung(world: Any) -> list[SendWebhook]:
    return [message for message, _ in world.doorbell.rung if isinstance(message, SendWebhook)]


def test_a_ping_is_noted_and_rung_for(world: Any, delivery: dict) -> None:
    assert (delivery["event"], delivery["state"], delivery["dataset_id"]) == (
        "ping",
        "pending",
        None,
    )
    assert [message.delivery_id for message in rung(world)] == [delivery["id"]]
    path = f"/v1/webhooks/deliveries/{delivery['id']}"
    assert world.http.get(path).json()["url"] == URL
    assert world.http.get("/v1/webhooks/deliveries").json()["items"][0]["id"] == delivery["id"]


def test_what_was_delivered_is_replayed_with_the_same_id(world: Any, delivery: dict) -> None:
    path = f"/v1/webhooks/deliveries/{delivery['id']}"
    assert world.http.post(f"{path}/replay").status_code == 409
    book = WebhookBook(world.store)
    tenant = rung(world)[0].tenant
    done = book.get(tenant, delivery["id"])
    book.put(done.model_copy(update={"state": DeliveryState.FAILED, "next_at": None, "tries": 10}))
    again = world.http.post(f"{path}/replay").json()
    assert (again["id"], again["body"], again["state"]) == (
        delivery["id"], delivery["body"], "pending",
    )  # fmt: skip
    assert len(rung(world)) == 2
    assert book.get(tenant, delivery["id"]).tries == 0


def test_deliveries_come_by_page_state_and_dataset(world: Any) -> None:
    book, now = WebhookBook(world.store), utcnow()
    for age in range(5):
        made = ping_delivery("default", URL, now - timedelta(hours=age))
        book.add(made.model_copy(update={"dataset_id": f"ds_{age % 2}"}), now)
    seen, cursor = [], None
    while True:
        page = world.http.get(
            "/v1/webhooks/deliveries", params={"limit": 2} | ({"cursor": cursor} if cursor else {})
        ).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    ages = [item["created_at"] for item in seen]
    assert (len(seen), ages) == (5, sorted(ages, reverse=True))
    of_one = world.http.get("/v1/webhooks/deliveries", params={"dataset_id": "ds_1"}).json()
    assert {item["dataset_id"] for item in of_one["items"]} == {"ds_1"}
    done = world.http.get("/v1/webhooks/deliveries", params={"state": "delivered"}).json()
    assert done == {"items": [], "next_cursor": None}
    assert world.http.get("/v1/webhooks/deliveries", params={"cursor": "x"}).status_code == 400


def test_another_tenant_sees_none_of_it(world: Any, delivery: dict) -> None:
    body = {"name": "other", "tenant": "other", "scopes": ["read", "order"]}
    key = world.http.post("/v1/keys", json=body).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    path = f"/v1/webhooks/deliveries/{delivery['id']}"
    assert world.http.get("/v1/webhooks/deliveries", headers=headers).json()["items"] == []
    assert world.http.get(path, headers=headers).status_code == 404
    assert world.http.post(f"{path}/replay", headers=headers).status_code == 404
    assert world.http.get("/v1/webhooks/secret", headers=headers).status_code == 404
