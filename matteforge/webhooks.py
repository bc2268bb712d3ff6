"""Webhooks as Python methods, for both clients."""

from matteforge.calls import Call, call_of, given
from matteforge.methods import AsyncCaller, Caller, Pages, answered, iterated
from matteforge.schemas.webhooks import (
    DeliveryOut,
    DeliveryPage,
    DeliveryState,
    NewWebhookSecretOut,
    WebhookSecretOut,
)

DELIVERIES_A_PAGE = 100


class WebhookMethods:
    """What the clients' `webhooks` offers. Errors as in MatteForge."""

    @iterated
    def deliveries(
        self, *, dataset_id: str | None = None, state: DeliveryState | str | None = None
    ) -> Pages[DeliveryOut]:
        """Those of the newest datasets first, all pages."""
        only = given(dataset_id=dataset_id, state=state)
        parts = ("webhooks", "deliveries")
        return Pages(call_of("GET", *parts, schema=DeliveryPage, limit=DELIVERIES_A_PAGE, **only))

    @answered
    def get(self, delivery_id: str) -> Call[DeliveryOut]:
        return call_of("GET", "webhooks", "deliveries", delivery_id, schema=DeliveryOut)

    @answered
    def replay(self, delivery_id: str) -> Call[DeliveryOut]:
        """The same id and body once more, signed anew."""
        return call_of("POST", "webhooks", "deliveries", delivery_id, "replay", schema=DeliveryOut)

    @answered
    def test(self, url: str) -> Call[DeliveryOut]:
        """Send a signed `ping`; look at it again with `get` to see what came of it."""
        return call_of("POST", "webhooks", "test", schema=DeliveryOut, json={"url": url})

    @answered
    def new_secret(self) -> Call[NewWebhookSecretOut]:
        """Make the tenant's secret, or a new one: the answer holds it, once. The one before it
        signs as well for a day."""
        return call_of("POST", "webhooks", "secret", schema=NewWebhookSecretOut)

    @answered
    def secret(self) -> Call[WebhookSecretOut]:
        """When the secret was made."""
        return call_of("GET", "webhooks", "secret", schema=WebhookSecretOut)


class Webhooks(WebhookMethods, Caller):
    """What `MatteForge.webhooks` offers."""


class AsyncWebhooks(WebhookMethods, AsyncCaller):
    """What `AsyncMatteForge.webhooks` offers."""
