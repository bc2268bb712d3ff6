"""What the API does with webhooks: their secret, test messages, replays."""

import logging

from core.datasets.dataset import utcnow
from core.errors import InvalidSpec, StateConflict, TransientError
from core.messages import SendWebhook
from core.webhooks.addresses import check_webhook_url
from core.webhooks.events import ping_delivery
from core.webhooks.records import Due, WebhookBook, WebhookDelivery
from matteforge.schemas.orders import AnySpec
from matteforge.schemas.webhooks import DeliveryOut, DeliveryState
from service.dependencies import Services

log = logging.getLogger(__name__)


def check_receiver(services: Services, tenant: str, spec: AnySpec) -> None:
    """Raises InvalidSpec where the order's webhook can't be sent, or not be signed."""
    if spec.webhook_url is not None:
        _check(services, tenant, spec.webhook_url)


def ping(services: Services, tenant: str, url: str) -> WebhookDelivery:
    """Send a test message. Raises InvalidSpec as above."""
    _check(services, tenant, url)
    now = utcnow()
    delivery = ping_delivery(tenant, url, now)
    due = WebhookBook(services.store).add(delivery, now)
    if due is not None:
        _ring(services, due)
    return delivery


def replay(services: Services, tenant: str, delivery_id: str) -> WebhookDelivery:
    """Send a delivery once more, from its first try on. NotFound; StateConflict while it is still
    to be sent."""
    book, now = WebhookBook(services.store), utcnow()
    delivery = book.get(tenant, delivery_id)
    if delivery.state is DeliveryState.PENDING:
        raise StateConflict(f"{delivery_id} is still to be sent")
    again = delivery.model_copy(update={"state": DeliveryState.PENDING, "next_at": now, "tries": 0})
    due = book.schedule(again, now)
    book.put(again)
    _ring(services, due)
    return again


def delivery_out(delivery: WebhookDelivery) -> DeliveryOut:
    """A delivery as it is answered."""
    return DeliveryOut.model_validate(delivery.model_dump())


def _check(services: Services, tenant: str, url: str) -> None:
    check_webhook_url(url, private=services.settings.webhook_private)
    if WebhookBook(services.store).secret(tenant) is None:
        raise InvalidSpec(
            "webhooks are signed, and this tenant has no secret yet: POST /v1/webhooks/secret, or "
            "`matteforge webhooks secret`, makes one"
        )


def _ring(services: Services, due: Due) -> None:
    try:
        services.doorbell.ring(SendWebhook(**due._asdict()))
    except TransientError as error:
        log.warning("no bell for %s; the control worker finds it: %s", due.key, error.detail)
