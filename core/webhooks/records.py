"""Deliveries of webhooks, and the secrets that sign them, in S3.

webhooks/deliveries/TENANT/ID.json   one message to one receiver, with its tries
webhooks/pending/DUE-TENANT-ID       what is to be sent, by the second when it is due
webhooks/secrets/TENANT.json         the tenant's secret, and the one before it for a day

The broker is a doorbell here, too: whatever it loses, the control worker finds under `pending`.
"""

import heapq
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from pydantic import Field

from core import keys
from core.conditional import change_record, put_once, read_record
from core.datasets.dataset import utcnow
from core.errors import NotFound
from core.ports import ObjectStore
from matteforge.schemas.base import Frozen
from matteforge.schemas.webhooks import DeliveryState, WebhookEvent
from matteforge.signatures import new_webhook_secret

ATTEMPTS_KEPT = 20
BOTH_SECRETS_FOR = timedelta(days=1)
KEPT_FOR = timedelta(days=30)
NEWEST_FIRST_MS = 10**14  # later than any time in milliseconds: what is subtracted sorts backwards


class WebhookAttempt(Frozen):
    """One try."""

    at: datetime
    status: int | None = None
    error: str | None = None
    seconds: float = 0.0


class WebhookDelivery(Frozen):
    """One message to one receiver."""

    id: str
    tenant: str
    dataset_id: str | None
    event: WebhookEvent
    url: str
    body: str = Field(description="JSON, sent to the byte at every try")
    created_at: datetime
    state: DeliveryState = DeliveryState.PENDING
    next_at: datetime | None
    tries: int = Field(0, description="since it was made, or replayed")
    attempts: list[WebhookAttempt] = Field(default_factory=list)


class Due(NamedTuple):
    """An entry of what is to be sent."""

    due_s: int
    tenant: str
    delivery_id: str

    @property
    def key(self) -> str:
        return f"{keys.WEBHOOKS_PENDING}{self.due_s:012d}-{self.tenant}-{self.delivery_id}"


class WebhookSecret(Frozen):
    """What a tenant's messages are signed with."""

    secret: str
    created_at: datetime
    previous: str | None = None
    previous_until: datetime | None = None

    def in_use(self, now: datetime) -> list[str]:
        """The secret, and the one before it for a day."""
        old = self.previous if self.previous_until and now < self.previous_until else None
        return [self.secret, *([old] if old else [])]


def new_delivery_id(ordered_at: datetime, subject: str, place: int) -> str:
    """`wh_` and 48 hexadecimal digits that sort backwards by time.

    Of a dataset's event it follows from the dataset (subject: 24 digits) and the event's place: so
    that one event is one delivery, however often it is found to have happened.
    """
    newest_first = NEWEST_FIRST_MS - round(ordered_at.timestamp() * 1000)
    return f"wh_{newest_first:015x}{subject}{place:09x}"


class WebhookBook:
    """Deliveries and secrets in one object store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def add(self, delivery: WebhookDelivery, now: datetime) -> Due | None:
        """Note that a message is to be sent now; None: it was noted before."""
        key = keys.webhook_delivery(delivery.tenant, delivery.id)
        if self._store.head(key) is not None:
            return None
        noted = delivery.model_copy(update={"next_at": now})
        due = self.schedule(noted, now)  # first: what is noted there and nowhere is forgotten later
        return due if put_once(self._store, key, noted.model_dump_json().encode()) else None

    def schedule(self, delivery: WebhookDelivery, at: datetime) -> Due:
        """Put it among what is to be sent."""
        due = Due(math.ceil(at.timestamp()), delivery.tenant, delivery.id)
        self._store.put(due.key, b"")
        return due

    def unschedule(self, due: Due) -> None:
        """Take it out again."""
        self._store.delete(due.key)

    def due(self, now_s: float, limit: int) -> list[Due]:
        """What is to be sent by now, the longest waiting first."""
        found = []
        for name in islice(self._store.list_names(keys.WEBHOOKS_PENDING), limit):
            due_s, _, rest = name.partition("-")
            if int(due_s) > now_s:
                break
            tenant, _, delivery_id = rest.rpartition("-")
            found.append(Due(int(due_s), tenant, delivery_id))
        return found

    def get(self, tenant: str, delivery_id: str) -> WebhookDelivery:
        """NotFound: there is none, or it was made more than a month ago."""
        key = keys.webhook_delivery(tenant, delivery_id)
        found, _ = read_record(self._store, key, WebhookDelivery)
        if found is None:
            raise NotFound(f"there is no delivery {delivery_id}")
        return found

    def put(self, delivery: WebhookDelivery) -> None:
        """Write what became of a delivery; its tries are bounded to the last ones."""
        kept = delivery.model_copy(update={"attempts": delivery.attempts[-ATTEMPTS_KEPT:]})
        key = keys.webhook_delivery(delivery.tenant, delivery.id)
        self._store.put(key, kept.model_dump_json().encode(), content_type="application/json")

    def tenants(self) -> list[str]:
        """Those who were sent something."""
        return list(self._store.list_folders(keys.WEBHOOKS_DELIVERIES))

    def tenant_of(self, delivery_id: str) -> str | None:
        """Whose delivery it is; None: there is none."""
        for tenant in self.tenants():
            if self._store.head(keys.webhook_delivery(tenant, delivery_id)):
                return tenant
        return None

    def deliveries(self, *tenants: str, after: str = "") -> Iterator[WebhookDelivery]:
        """Those of some tenants after the id `after`, the newest datasets' first."""
        yield from heapq.merge(
            *(self._of(tenant, after) for tenant in tenants), key=lambda delivery: delivery.id
        )

    def _of(self, tenant: str, after: str) -> Iterator[WebhookDelivery]:
        prefix = keys.webhook_deliveries(tenant)
        start = keys.webhook_delivery(tenant, after) if after else ""
        for key in self._store.list_keys(prefix, start_after=start):
            found, _ = read_record(self._store, key, WebhookDelivery)
            if found is not None:
                yield found

    def prune(self, now: datetime) -> None:
        """Remove deliveries that are older than a month."""
        oldest = new_delivery_id(now - KEPT_FOR, "", 0)[: len("wh_") + 15]
        for tenant in self.tenants():
            start = keys.webhook_deliveries(tenant) + oldest
            for key in list(
                self._store.list_keys(keys.webhook_deliveries(tenant), start_after=start)
            ):
                self._store.delete(key)

    def secret(self, tenant: str) -> WebhookSecret | None:
        """The tenant's secret; None: none was made yet."""
        return read_record(self._store, keys.webhook_secret(tenant), WebhookSecret)[0]

    def renew_secret(self, tenant: str) -> WebhookSecret:
        """Make a secret; the one before it signs as well for a day."""
        now, fresh = utcnow(), new_webhook_secret()

        def renewed(there: WebhookSecret | None) -> WebhookSecret:
            return WebhookSecret(
                secret=fresh,
                created_at=now,
                previous=there.secret if there else None,
                previous_until=now + BOTH_SECRETS_FOR if there else None,
            )

        key, what = keys.webhook_secret(tenant), f"the webhook secret of {tenant}"
        made = change_record(self._store, key, WebhookSecret, renewed, what=what)
        assert made is not None
        return made
