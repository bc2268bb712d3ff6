"""Whether two orders say the same: what makes an Idempotency-Key's replay known again."""

import hashlib
import json

from matteforge.schemas.orders import AnySpec, RenderedSpec
from matteforge.schemas.webhooks import ENDS

NEWER_FIELDS: dict[str, object] = {
    "domain": "humans",
    "framing": "free",
    "splits": {},
    "expires_at": None,
    "expires_in_s": None,
    "background": "builtin",
    "derived_from": None,
    "webhook_url": None,
    "webhook_events": [event.value for event in ENDS],
}
"""With the values that stand for what was ordered before there were these fields."""


def fingerprint(spec: AnySpec) -> str:
    """Fingerprint of an order as its first version said it, so that an older replay is known again.

    No two sources have the same fields.
    """
    fields = spec.model_dump(mode="json", exclude={"source"})
    newer = NEWER_FIELDS | ({} if isinstance(spec, RenderedSpec) else {"members": []})
    for name, value in newer.items():
        if fields.get(name) == value:
            del fields[name]
    if fields.get("truncation_psi", 0) is None:
        fields["truncation_psi"] = 0.7  # every order's, before models had their own
    if fields["shard_size"] is None:
        fields["shard_size"] = 100 if isinstance(spec, RenderedSpec) else 1000
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
