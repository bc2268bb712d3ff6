"""/v1/webhooks: the secret, what was delivered, replays and test messages of a tenant."""

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from core.datasets.dataset import utcnow
from core.errors import InvalidCursor, NotFound
from core.webhooks.records import WebhookBook
from matteforge.schemas.webhooks import (
    DELIVERY_ID,
    DeliveryOut,
    DeliveryPage,
    DeliveryState,
    NewWebhookSecretOut,
    PingIn,
    WebhookSecretOut,
)
from service import webhooks
from service.dependencies import KeyDep, OwnerDep, ServicesDep, bearer, matching
from service.parameters import Cursor, json_only
from service.problems import documented
from service.webhooks import delivery_out

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], dependencies=[bearer])
LOOKED_THROUGH = 1000  # deliveries, of which none was wanted, before a page is answered


def _place(
    delivery_id: Annotated[str, Path(examples=["wh_" + "0" * 48])],
    services: ServicesDep,
    key: KeyDep,
) -> tuple[str, str]:
    """(tenant, id) of a delivery that the key may see: its own tenant's; an admin's of any."""
    matching(DELIVERY_ID, "delivery", delivery_id)
    found = WebhookBook(services.store).tenant_of(delivery_id) if key.admin else None
    return found or key.tenant, delivery_id


Place = Annotated[tuple[str, str], Depends(_place)]


@router.post(
    "/secret", status_code=201, response_model=NewWebhookSecretOut, responses=documented(409),
    summary="Make or renew the secret",
)  # fmt: skip
def renew_secret(services: ServicesDep, tenant: OwnerDep) -> NewWebhookSecretOut:
    """The answer holds it, once. The one before it signs as well for a day."""
    made = WebhookBook(services.store).renew_secret(tenant)
    return NewWebhookSecretOut.model_validate(made.model_dump())


@router.get(
    "/secret", response_model=WebhookSecretOut, responses=documented(404),
    summary="See when the secret was made",
)  # fmt: skip
def get_secret(services: ServicesDep, tenant: OwnerDep) -> WebhookSecretOut:
    """404 where there is none yet."""
    found = WebhookBook(services.store).secret(tenant)
    if found is None:
        raise NotFound("this tenant has no webhook secret yet")
    at = found.previous_until
    still = at if at and at > utcnow() else None
    return WebhookSecretOut(created_at=found.created_at, previous_until=still)


@router.get(
    "/deliveries", response_model=DeliveryPage, responses=documented(400),
    summary="List deliveries",
)  # fmt: skip
def list_deliveries(
    services: ServicesDep,
    key: KeyDep,
    dataset_id: Annotated[
        str | None, Query(max_length=100, description="only of this dataset")
    ] = None,
    state: Annotated[DeliveryState | None, Query(description="only in this state")] = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> DeliveryPage:
    """Deliveries of the last month, those of the newest datasets first. A page may be shorter than
    `limit` before the last one."""
    try:
        after = "" if cursor is None else matching(DELIVERY_ID, "cursor", cursor)
    except NotFound:
        raise InvalidCursor from None
    book = WebhookBook(services.store)
    found = book.deliveries(*(book.tenants() if key.admin else [key.tenant]), after=after)
    shown, last, more = list[DeliveryOut](), None, False
    for looked_at, delivery in enumerate(islice(found, LOOKED_THROUGH + 1)):
        if len(shown) == limit or looked_at == LOOKED_THROUGH:
            more = True
            break
        last = delivery.id
        if dataset_id in (None, delivery.dataset_id) and state in (None, delivery.state):
            shown.append(delivery_out(delivery))
    return DeliveryPage(items=shown, next_cursor=last if more else None)


@router.get(
    "/deliveries/{delivery_id}", response_model=DeliveryOut, responses=documented(404),
    summary="Look at a delivery",
)  # fmt: skip
def get_delivery(place: Place, services: ServicesDep) -> DeliveryOut:
    """Its body and its tries."""
    return delivery_out(WebhookBook(services.store).get(*place))


@router.post(
    "/deliveries/{delivery_id}/replay", status_code=202, response_model=DeliveryOut,
    responses=documented(404, 409), summary="Send a delivery again",
)  # fmt: skip
def replay(place: Place, services: ServicesDep) -> DeliveryOut:
    """The same id and body, signed anew. 409 while it is still to be sent."""
    return delivery_out(webhooks.replay(services, *place))


@router.post(
    "/test", status_code=202, response_model=DeliveryOut, responses=documented(400, 413, 415),
    dependencies=[Depends(json_only)], summary="Send a test message",
)  # fmt: skip
def ping(body: PingIn, services: ServicesDep, tenant: OwnerDep) -> DeliveryOut:
    """A signed `ping`; what came of it is in its delivery."""
    return delivery_out(webhooks.ping(services, tenant, body.url))
