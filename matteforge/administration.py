"""Models, keys and the audit trail as Python methods, for both clients."""

from collections.abc import Sequence
from datetime import datetime

from matteforge.calls import Call, call_of, delete, given, items_of
from matteforge.methods import Pages, answered, iterated
from matteforge.schemas.audit import AuditLine, AuditPage
from matteforge.schemas.keys import KeyChange, KeyIn, KeyOut, KeyPage, NewKeyOut
from matteforge.schemas.models import ModelOut, ModelPage

AUDIT_LINES_A_PAGE = 500


class AdministrationMethods:
    """What MatteForge says of models, and does with keys for admins. Errors as there."""

    @answered
    def models(self) -> Call[Sequence[ModelOut]]:
        return items_of(call_of("GET", "models", schema=ModelPage))

    @answered
    def model(self, name: str) -> Call[ModelOut]:
        return call_of("GET", "models", name, schema=ModelOut)

    @answered
    def keys(self) -> Call[Sequence[KeyOut]]:
        """Every key that was not revoked, without secrets."""
        return items_of(call_of("GET", "keys", schema=KeyPage))

    @answered
    def create_key(self, wanted: KeyIn) -> Call[NewKeyOut]:
        """The answer holds the secret, once: never repeated, so a lost answer leaves a key that
        nobody has."""
        body = wanted.model_dump(mode="json")
        return call_of("POST", "keys", schema=NewKeyOut, json=body)

    @answered
    def change_key(self, key_id: str, wanted: KeyChange) -> Call[KeyOut]:
        """Set the scopes, the limits or the end that `wanted` names; what it leaves out stays."""
        body = wanted.model_dump(mode="json", exclude_unset=True)
        return call_of("PATCH", "keys", key_id, schema=KeyOut, json=body)

    @answered
    def rotate_key(self, key_id: str) -> Call[NewKeyOut]:
        """A new secret; the old one is revoked at once."""
        return call_of("POST", "keys", key_id, "rotate", schema=NewKeyOut)

    @answered
    def revoke_key(self, key_id: str) -> Call[None]:
        return delete("keys", key_id)

    @iterated
    def audit(
        self,
        *,
        key: str | None = None,
        tenant: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Pages[AuditLine]:
        """Who changed what, newest first, all pages; times need a time zone."""
        times = {"since": since, "until": until}
        only = given(
            key=key, tenant=tenant, **{name: at and at.isoformat() for name, at in times.items()}
        )
        return Pages(call_of("GET", "audit", schema=AuditPage, limit=AUDIT_LINES_A_PAGE, **only))
