"""Send one webhook, and decide what becomes of it."""

import logging
import random
import ssl
from collections.abc import Callable
from datetime import datetime, timedelta

import httpcore

from core.datasets.dataset import utcnow
from core.errors import NotFound
from core.leases import hold
from core.webhooks.records import Due, WebhookAttempt, WebhookBook, WebhookDelivery
from matteforge.schemas.webhooks import DeliveryState
from matteforge.signatures import signed_headers
from workers.context import Context
from workers.webhooks.guarded_http import AddressRefused, post

log = logging.getLogger(__name__)
PAUSES_S = (5, 30, 120, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
"""Between tries; each with a jitter of a half. After the last one a delivery has failed."""
GONE = 410
ORPHAN_S = 3600.0
LEASE_TTL_S, LEASE_RENEW_S = 60.0, 20.0
AGENT = "MatteForge-Webhooks"
Post = Callable[..., int]


def send_webhook(
    context: Context,
    due: Due,
    *,
    post: Post = post,
    now: Callable[[], datetime] = utcnow,
    jitter: Callable[[], float] = lambda: random.uniform(0.5, 1.5),  # no secret  # nosec B311
) -> None:
    """Make one try, if it is time and nobody else does; note what came of it, and when the next
    one is due. A secret that is missing counts as a failed try."""
    book = WebhookBook(context.catalog.store)
    name = f"webhook/{due.delivery_id}"
    with hold(context.leases, name, ttl_s=LEASE_TTL_S, renew_s=LEASE_RENEW_S) as lease:
        if lease is None:
            return
        try:
            delivery = book.get(due.tenant, due.delivery_id)
        except NotFound:
            if now().timestamp() - due.due_s > ORPHAN_S:
                book.unschedule(due)
            return
        if delivery.next_at is not None and delivery.next_at > now():
            if due.due_s < delivery.next_at.timestamp():
                book.unschedule(due)  # there is a later entry
            return
        if delivery.next_at is not None:
            attempt = _try(book, delivery, post, now, private=context.settings.webhook_private)
            after = _after(delivery, attempt, now(), jitter())
            if after.next_at is not None:
                book.schedule(after, after.next_at)
            book.put(after)
            log.info("%s to %s: %s", after.event, after.url, attempt.status or attempt.error)
        book.unschedule(due)


def _try(
    book: WebhookBook,
    delivery: WebhookDelivery,
    post: Post,
    now: Callable[[], datetime],
    *,
    private: bool,
) -> WebhookAttempt:
    begun, body = now(), delivery.body.encode()
    secret = book.secret(delivery.tenant)
    if secret is None:
        return WebhookAttempt(at=begun, error="the tenant has no webhook secret")
    signed = signed_headers(secret.in_use(begun), delivery.id, int(begun.timestamp()), body)
    headers = {"content-type": "application/json", "user-agent": AGENT, **signed}
    status, error = None, None
    try:
        status = post(delivery.url, body, headers, private=private)
    except (AddressRefused, OSError, ssl.SSLError, ValueError) as refused:
        error = str(refused)
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as failed:
        error = f"{type(failed).__name__}: {failed}".removesuffix(": ")
    except (httpcore.UnsupportedProtocol, httpcore.ProxyError) as failed:
        error = f"{type(failed).__name__}: {failed}"
    seconds = (now() - begun).total_seconds()
    return WebhookAttempt(at=begun, status=status, error=error and error[:300], seconds=seconds)


def _after(
    delivery: WebhookDelivery, attempt: WebhookAttempt, now: datetime, jitter: float
) -> WebhookDelivery:
    """The delivery with this try. Redirects (3xx) are failures: they are never followed."""
    tries = delivery.tries + 1
    state, next_at = DeliveryState.PENDING, None
    if attempt.status is not None and 200 <= attempt.status < 300:
        state = DeliveryState.DELIVERED
    elif attempt.status == GONE or tries > len(PAUSES_S):
        state = DeliveryState.FAILED
    else:
        next_at = now + timedelta(seconds=PAUSES_S[tries - 1] * jitter)
    return delivery.model_copy(
        update={
            "state": state,
            "next_at": next_at,
            "tries": tries,
            "attempts": [*delivery.attempts, attempt],
        }
    )
