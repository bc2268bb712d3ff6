"""API keys on the wire: who may do what, until when."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from matteforge.schemas.base import Frozen, Wire
from matteforge.schemas.names import NAME, PRINTABLE

KEY_ID = r"^[0-9a-f]{12}$"


class Scope(StrEnum):
    """What a key may do. Admin keys may do everything, and see every tenant's data."""

    READ = "read"  # look at datasets, models, runs; download
    ORDER = "order"  # order, cancel and delete datasets
    TRAIN = "train"  # order training runs and schedules, promote models
    ADMIN = "admin"  # keys; the data of every tenant; metrics


class Limits(Frozen):
    """What a key may use. null: the service's default; in an answer: no limit."""

    requests_per_second: float | None = Field(
        None, gt=0, le=1e6, description="by this key; as many may come at once"
    )
    samples_per_day: int | None = Field(
        None, gt=0, le=10**12, description="ordered by this key; what is used up returns evenly"
    )
    datasets_at_once: int | None = Field(
        None, gt=0, le=10**6, description="of the key's tenant that have not ended"
    )
    bytes_stored: int | None = Field(
        None, gt=0, le=10**18, description="in shards of the key's tenant, those to come included"
    )


class KeyIn(Frozen):
    """A key that is asked for."""

    name: str = Field(
        min_length=1, max_length=100, pattern=PRINTABLE, description="what or whom it is for"
    )
    tenant: str = Field(
        "default",
        pattern=NAME,
        description="keys of one tenant share their datasets and training runs; others don't see "
        "them",
    )
    scopes: list[Scope] = Field([Scope.READ, Scope.ORDER], min_length=1, max_length=4)
    expires_at: datetime | None = Field(None, description="it counts until then; else for ever")
    limits: Limits = Limits()


class KeyChange(Frozen):
    """What is to be changed of a key. What is left out stays as it is."""

    scopes: list[Scope] | None = Field(
        None, min_length=1, max_length=4, description="all that it may do from now on"
    )
    limits: Limits = Field(Limits(), description="null: the service's default again")
    expires_at: datetime | None = Field(None, description="null: it counts for ever")


class KeyOut(Wire):
    """A key without its secret."""

    id: str = Field(pattern=KEY_ID, description="the first 12 digits of the secret's SHA-256")
    name: str
    tenant: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    limits: Limits = Field(Limits(), description="what counts: the key's own, else the service's")


class NewKeyOut(KeyOut):
    """A key that was just made, with its secret, which is shown once."""

    key: str = Field(description="send it as `Authorization: Bearer KEY`; only its hash is kept")


class KeyPage(Wire):
    """Every key that was not revoked, by name."""

    items: list[KeyOut]
