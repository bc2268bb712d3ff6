"""Webhooks as Python methods, for both clients."""

from collections.abc import AsyncIterator, Iterator

from matteforge.calls import Call, call_of
from matteforge.schemas.webhooks import (
    DeliveryOut,
    DeliveryPage,
    DeliveryState,
    NewWebhookSecretOut,
    WebhookSecretOut,
)
from matteforge.transport import AsyncTransport, Transport

DELIVERIES_A_PAGE = 100


def deliveries_call(
    dataset_id: str | None, state: DeliveryState | str | None
) -> Call[DeliveryPage]:
    """One page of deliveries."""
    asked = {"dataset_id": dataset_id, "state": str(state) if state else None}
    only = {name: value for name, value in asked.items() if value is not None}
    parts = ("webhooks", "deliveries")
    return call_of("GET", *parts, schema=DeliveryPage, limit=DELIVERIES_A_PAGE, **only)


def delivery_call(delivery_id: str) -> Call[DeliveryOut]:
    """One delivery."""
    return call_of("GET", "webhooks", "deliveries", delivery_id, schema=DeliveryOut)


def replay_call(delivery_id: str) -> Call[DeliveryOut]:
    """Send one again."""
    return call_of("POST", "webhooks", "deliveries", delivery_id, "replay", schema=DeliveryOut)


def ping_call(url: str) -> Call[DeliveryOut]:
    """Send a test message."""
    return call_of("POST", "webhooks", "test", schema=DeliveryOut, json={"url": url})


def new_secret_call() -> Call[NewWebhookSecretOut]:
    """Make or renew the secret."""
    return call_of("POST", "webhooks", "secret", schema=NewWebhookSecretOut)


def secret_call() -> Call[WebhookSecretOut]:
    """When the secret was made."""
    return call_of("GET", "webhooks", "secret", schema=WebhookSecretOut)


class Webhooks:
    """What `MatteForge.webhooks` offers. Errors as there."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def deliveries(
        self, *, dataset_id: str | None = None, state: DeliveryState | str | None = None
    ) -> Iterator[DeliveryOut]:
        """Those of the newest datasets first, all pages."""
        call = deliveries_call(dataset_id, state)
        while True:
            page = self._transport.send(call)
            yield from page.items
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    def get(self, delivery_id: str) -> DeliveryOut:
        return self._transport.send(delivery_call(delivery_id))

    def replay(self, delivery_id: str) -> DeliveryOut:
        """The same id and body once more, signed anew."""
        return self._transport.send(replay_call(delivery_id))

    def test(self, url: str) -> DeliveryOut:
        """Send a signed `ping`; look at it again with `get` to see what came of it."""
        return self._transport.send(ping_call(url))

    def new_secret(self) -> NewWebhookSecretOut:
        """Make the tenant's secret, or a new one: the answer holds it, once. The one before it
        signs as well for a day."""
        return self._transport.send(new_secret_call())

    def secret(self) -> WebhookSecretOut:
        """When the secret was made."""
        return self._transport.send(secret_call())


class AsyncWebhooks:
    """The same as coroutines."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def deliveries(
        self, *, dataset_id: str | None = None, state: DeliveryState | str | None = None
    ) -> AsyncIterator[DeliveryOut]:
        call = deliveries_call(dataset_id, state)
        while True:
            page = await self._transport.send(call)
            for delivery in page.items:
                yield delivery
            if page.next_cursor is None:
                return
            call = call.after(page.next_cursor)

    async def get(self, delivery_id: str) -> DeliveryOut:
        return await self._transport.send(delivery_call(delivery_id))

    async def replay(self, delivery_id: str) -> DeliveryOut:
        return await self._transport.send(replay_call(delivery_id))

    async def test(self, url: str) -> DeliveryOut:
        return await self._transport.send(ping_call(url))

    async def new_secret(self) -> NewWebhookSecretOut:
        return await self._transport.send(new_secret_call())

    async def secret(self) -> WebhookSecretOut:
        return await self._transport.send(secret_call())
