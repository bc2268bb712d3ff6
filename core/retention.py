"""How long datasets are kept: as ordered, as changed later, else by a policy of labels.

datasets/ID/expiry.json   another end than that of the order, or none; overwritten
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from core import keys
from core.conditional import JSON
from core.datasets.manifest import DatasetRecord
from core.errors import InvalidSpec, NotFound
from core.ports import ObjectStore
from matteforge.schemas.expiry import ExpiryIn
from matteforge.schemas.orders import AnySpec

ANY = "*"


def end_of(spec: AnySpec, now: datetime, policy_days: Mapping[str, float]) -> datetime | None:
    """When a dataset that is ordered now expires; None: never. InvalidSpec: that is over already.

    policy_days: days by `NAME=VALUE` of a label, `*` for every order; the shortest that fits counts
    where the order says nothing.
    """
    if spec.expires_at is not None and spec.expires_at > now:
        return spec.expires_at
    if spec.expires_at is not None and spec.derived_from is None:  # else: as its parent was ordered
        raise InvalidSpec(f"expires_at is over: {spec.expires_at.isoformat()}")
    if spec.expires_in_s is not None:
        return now + timedelta(seconds=spec.expires_in_s)
    labels = {ANY, *(f"{name}={value}" for name, value in spec.labels.items())}
    days = [kept for label, kept in policy_days.items() if label in labels]
    return now + timedelta(days=min(days)) if days else None


def expiry_of(store: ObjectStore, record: DatasetRecord) -> datetime | None:
    """When the dataset expires, as it is set now."""
    try:
        changed = store.get(keys.expiry(record.id))[0]
    except NotFound:
        return record.expires_at
    return ExpiryIn.model_validate_json(changed).expires_at


def set_expiry(store: ObjectStore, dataset_id: str, wanted: ExpiryIn) -> None:
    """Let a dataset expire at another time, or never."""
    body = wanted.model_dump_json().encode()
    store.put(keys.expiry(dataset_id), body, content_type=JSON)
