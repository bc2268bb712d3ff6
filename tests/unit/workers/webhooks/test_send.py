"""What becomes of a delivery: tries, pauses, an end."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from core import keys
from core.webhooks.events import ping_delivery
from core.webhooks.records import BOTH_SECRETS_FOR, Due, WebhookBook
from matteforge.schemas.webhooks import DeliveryState
from matteforge.signatures import verify_webhook
from workers.webhooks.guarded_http import AddressRefused
from workers.webhooks.send import PAUSES_S, send_webhook

URL = "https://example.org/hook"
START = datetime(2026, 1, 1, tzinfo=UTC)


class Desk:
    """A delivery that is sent by hand, at a time that a test sets."""

    def __init__(self, bench: Any) -> None:
        self.bench, self.book = bench, WebhookBook(bench.store)
        self.now, self.sent = START, list[tuple[dict[str, str], bytes]]()
        self.secret = self.book.renew_secret("lab").secret
        delivery = ping_delivery("lab", URL, START)
        due = self.book.add(delivery, START)
        assert due is not None
        self.id = delivery.id

    @property
    def delivery(self) -> Any:
        return self.book.get("lab", self.id)

    def pending(self) -> list[str]:
        return list(self.bench.store.list_names(keys.WEBHOOKS_PENDING))

    def send(self, answer: int | Exception, due: Due | None = None) -> None:
        def post(url: str, body: bytes, headers: dict[str, str], *, private: bool) -> int:
            self.sent.append((headers, body))
            if isinstance(answer, Exception):
                raise answer
            return answer

        found = due or next(iter(self.book.due(self.now.timestamp() + 1, 10)))
        send_webhook(self.bench.context, found, post=post, now=lambda: self.now, jitter=lambda: 1.0)


@pytest.fixture
def desk(bench: Any) -> Desk:
    return Desk(bench)


def test_a_delivery_is_signed_sent_once_and_done(desk: Desk) -> None:
    due = desk.book.due(START.timestamp() + 1, 10)[0]
    desk.send(204)
    desk.send(500, due)  # its message comes twice
    assert desk.delivery.state is DeliveryState.DELIVERED
    assert desk.pending() == []
    ((headers, body),) = desk.sent
    verify_webhook(desk.secret, headers, body, now_s=START.timestamp())
    assert headers["webhook-id"] == desk.id
    assert json.loads(body)["type"] == "ping"


def test_it_is_tried_again_later_and_later_then_given_up(desk: Desk) -> None:
    waited = []
    while desk.delivery.state is DeliveryState.PENDING:
        desk.send(503)
        if desk.delivery.next_at:
            assert len(desk.pending()) == 1
            waited.append((desk.delivery.next_at - desk.now).total_seconds())
            desk.now = desk.delivery.next_at
    assert waited == list(PAUSES_S)
    assert desk.delivery.state is DeliveryState.FAILED
    assert [attempt.status for attempt in desk.delivery.attempts] == [503] * 10
    assert desk.pending() == []


def test_a_try_that_is_not_due_is_left(desk: Desk) -> None:
    first = desk.book.due(START.timestamp() + 1, 10)[0]
    desk.send(500)
    desk.send(204, first)
    assert len(desk.sent) == 1
    later = Due(int(desk.delivery.next_at.timestamp()), "lab", desk.id)
    desk.send(204, later)  # this worker's clock is behind
    assert len(desk.sent) == 1
    assert len(desk.pending()) == 1


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (410, DeliveryState.FAILED, None),
        (302, DeliveryState.PENDING, None),
        (AddressRefused("evil.example is 10.0.0.1"), DeliveryState.PENDING, "evil.example"),
        (ConnectionRefusedError("refused"), DeliveryState.PENDING, "refused"),
    ],
)
def test_what_is_answered_decides(
    desk: Desk, answer: int | Exception, state: DeliveryState, said: str | None
) -> None:
    desk.send(answer)
    assert desk.delivery.state is state
    attempt = desk.delivery.attempts[-1]
    assert attempt.status == (answer if isinstance(answer, int) else None)
    assert said is None or said in attempt.error


def test_both_secrets_sign_for_a_day(desk: Desk) -> None:
    old, new = desk.secret, desk.book.renew_secret("lab").secret
    desk.now = datetime.now(UTC)
    desk.send(500)
    headers, body = desk.sent[0]
    for secret in (old, new):
        Webhook(secret).verify(body, headers)
    later = datetime.now(UTC) + BOTH_SECRETS_FOR + timedelta(seconds=1)
    assert desk.book.secret("lab").in_use(later) == [new]


def test_somebody_else_who_sends_it_is_not_disturbed(desk: Desk) -> None:
    desk.bench.leases.acquire(f"webhook/{desk.id}", "other", 30)
    desk.send(204)
    assert desk.sent == []
    assert len(desk.pending()) == 1


def test_an_entry_without_a_delivery_is_forgotten_after_an_hour(desk: Desk) -> None:
    desk.bench.store.delete(keys.webhook_delivery("lab", desk.id))
    desk.send(204)
    assert len(desk.pending()) == 1
    due = desk.book.due(START.timestamp() + 1, 10)[0]
    desk.now += timedelta(hours=2)
    desk.send(204, due)
    assert desk.pending() == []


def test_without_a_secret_nothing_is_sent(bench: Any, desk: Desk) -> None:
    bench.store.delete(keys.webhook_secret("lab"))
    desk.send(204)
    assert desk.sent == []
    assert "secret" in desk.delivery.attempts[0].error


def test_old_deliveries_are_pruned(bench: Any) -> None:
    book, now = WebhookBook(bench.store), datetime.now(UTC)
    ages: list[Callable[[], datetime]] = [lambda: now - timedelta(days=31), lambda: now]
    ids = []
    for age in ages:
        delivery = ping_delivery("lab", URL, age())
        book.add(delivery, age())
        ids.append(delivery.id)
    book.prune(now)
    assert [delivery.id for delivery in book.deliveries("lab")] == ids[1:]
