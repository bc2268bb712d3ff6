"""Who is told of a dataset's end: also when processes die, and the broker forgets."""

import json
from typing import Any

import pytest

from core.datasets.dataset import utcnow
from core.messages import SendWebhook
from core.webhooks.records import WebhookBook
from workers.control.webhooks import RING_AGAIN_S, ring_due
from workers.webhooks.send import send_webhook

URL = "https://example.org/hook"
EVENTS = ["shard.committed", "dataset.completed", "dataset.cancelled", "dataset.failed"]


def told(bench: Any) -> list[dict[str, Any]]:
    """Bodies of what is noted, oldest event first."""
    found = [json.loads(one.body) for one in WebhookBook(bench.store).deliveries("o")]
    return found[::-1]


def rung(bench: Any) -> list[SendWebhook]:
    return [message for message, _ in bench.doorbell.rung if isinstance(message, SendWebhook)]


def work(bench: Any) -> list[SendWebhook]:
    """Make the dataset; the webhooks that were rung for meanwhile."""
    found = []
    for _ in range(200):
        bench.clock_s += 5
        bench.reconcile()
        while bench.doorbell.rung:
            found += rung(bench)
            bench.doorbell.rung = [e for e in bench.doorbell.rung if e[0] not in found]
            bench.take()
        if not bench.live.active_ids():
            return found
    raise AssertionError("it never ended")


def test_an_end_is_told_once_with_what_came_of_it(bench: Any) -> None:
    bench.order(webhook_url=URL, labels={"team": "a"})
    (message,) = work(bench)
    (body,) = told(bench)
    assert body["type"] == "dataset.completed"
    assert body["data"]["counts"]["accepted"] == 10
    assert (body["data"]["id"], body["data"]["labels"]) == ("ds_a", {"team": "a"})
    (delivery,) = WebhookBook(bench.store).deliveries("o")
    assert (message.tenant, message.delivery_id) == ("o", delivery.id)


def test_shards_are_told_when_asked_for(bench: Any) -> None:
    bench.order(webhook_url=URL, webhook_events=EVENTS)
    work(bench)
    types = [body["type"] for body in told(bench)]
    assert types == ["shard.committed"] * 3 + ["dataset.completed"]
    assert [body["data"]["shard"]["name"] for body in told(bench)[:3]] == [
        f"{n:06d}.tar" for n in range(3)
    ]


@pytest.mark.parametrize("kind", ["cancelled", "failed"])
def test_other_ends_are_told_too(bench: Any, kind: str) -> None:
    bench.order(webhook_url=URL, filter={"mad": 0.001} if kind == "failed" else {})
    if kind == "cancelled":
        bench.catalog.cancel("ds_a", utcnow())
    work(bench)
    (body,) = told(bench)
    assert body["type"] == f"dataset.{kind}"
    assert (body["data"]["error"] is not None) == (kind == "failed")


def test_who_did_not_ask_is_not_told(bench: Any) -> None:
    bench.order()
    bench.order("ds_b", webhook_url=URL, webhook_events=["dataset.failed"])
    assert work(bench) == []
    assert told(bench) == []


def test_a_control_worker_that_dies_after_the_manifest_tells_when_it_is_back(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.control import finalize

    bench.order(webhook_url=URL)
    with monkeypatch.context() as patch:
        patch.setattr(finalize, "tell_end", lambda context, end: 1 // 0)
        with pytest.raises(AssertionError):
            work(bench)
    assert bench.catalog.end("ds_a") is not None
    assert told(bench) == []
    work(bench)
    assert [body["type"] for body in told(bench)] == ["dataset.completed"]


def test_a_lost_message_is_rung_again_and_sent_once(bench: Any) -> None:
    bench.order(webhook_url=URL)
    (lost,) = work(bench)
    now_s = utcnow().timestamp() + 1
    ring_due(bench.context, now_s)
    assert rung(bench) == []  # it was rung a moment ago
    bench.clock_s += RING_AGAIN_S
    ring_due(bench.context, now_s)
    assert rung(bench) == [lost]
    WebhookBook(bench.store).renew_secret("o")
    sent = []

    def post(url: str, *given: object, **options: object) -> int:
        sent.append(url)
        return 200

    (due,) = WebhookBook(bench.store).due(now_s, 10)
    send_webhook(bench.context, due, post=post)
    bench.clock_s += RING_AGAIN_S
    bench.doorbell.rung.clear()
    ring_due(bench.context, now_s)
    assert (sent, rung(bench)) == ([URL], [])


def test_the_address_stays_in_the_service(bench: Any) -> None:
    bench.order(webhook_url="https://example.org/hook?token=s3cret")
    work(bench)
    files = {
        key: body
        for key, body in bench.objects().items()
        if key.startswith("datasets/") and not key.endswith("request.json")
    }
    assert any(key.endswith("README.md") for key in files)
    assert not [key for key, body in files.items() if b"s3cret" in body]
