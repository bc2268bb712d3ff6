"""Wire schemas of webhooks: messages that the service sends when something happened to a dataset.

Signed as the specification Standard Webhooks says (standardwebhooks.com).
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from matteforge.schemas.base import Frozen, Wire

DELIVERY_ID = r"^wh_[0-9a-f]{48}$"
WEBHOOK_URL = r"^https?://[^\s]+$"
MAX_WEBHOOK_URL = 2000


class WebhookEvent(StrEnum):
    """What a receiver may be told."""

    COMPLETED = "dataset.completed"
    FAILED = "dataset.failed"
    CANCELLED = "dataset.cancelled"
    SHARD = "shard.committed"
    PING = "ping"


ENDS: tuple[WebhookEvent, ...] = (
    WebhookEvent.COMPLETED,
    WebhookEvent.FAILED,
    WebhookEvent.CANCELLED,
)


def known_events(value: object) -> object:
    """Names of events that an order may ask for, each once. Raises ValueError, naming them."""
    if not isinstance(value, list):
        return value
    known = {event.value: event for event in (*ENDS, WebhookEvent.SHARD)}
    if unknown := [name for name in value if not isinstance(name, str) or name not in known]:
        raise ValueError(f"there is no event {unknown[0]!r:.50}; known: {', '.join(known)}")
    return [event for name, event in known.items() if name in value]


OrderEvent = Annotated[
    WebhookEvent,
    WithJsonSchema({"type": "string", "enum": [*ENDS, WebhookEvent.SHARD]}),
]
OrderEvents = Annotated[list[OrderEvent], BeforeValidator(known_events)]


class DeliveryState(StrEnum):
    """pending: it will be sent, or sent again; failed: it was given up."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class AttemptOut(Wire):
    """One try to deliver."""

    at: datetime
    status: int | None = Field(description="what the receiver answered; null: nothing")
    error: str | None = Field(description="why nothing was answered")
    seconds: float


class DeliveryOut(Wire):
    """One message to one receiver."""

    id: str = Field(pattern=DELIVERY_ID, description="sent as `webhook-id`; the same when replayed")
    event: WebhookEvent
    dataset_id: str | None = Field(description="null of a ping")
    url: str
    state: DeliveryState
    created_at: datetime
    next_at: datetime | None = Field(description="when it is sent next; null: not any more")
    attempts: list[AttemptOut] = Field(description="the last ones, oldest first")
    body: str = Field(description="the JSON that is sent, to the byte")


class DeliveryPage(Wire):
    """Deliveries, those of the newest datasets first."""

    items: list[DeliveryOut]
    next_cursor: str | None = Field(
        description="pass as `cursor` for the next page; null on the last one"
    )


class PingIn(Frozen):
    """Where to send a test message."""

    url: str = Field(pattern=WEBHOOK_URL, max_length=MAX_WEBHOOK_URL)


class WebhookSecretOut(Wire):
    """The tenant's secret, which is not told again."""

    created_at: datetime
    previous_until: datetime | None = Field(
        description="messages are signed with the secret before it, too, until then"
    )


class NewWebhookSecretOut(WebhookSecretOut):
    """A secret that was just made, shown once."""

    secret: str = Field(description="whsec_…; messages are signed with it")
