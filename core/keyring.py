"""API keys at keys/HASH.json: only a key's SHA-256 is stored.

To revoke a key is to move its record to revoked-keys/. Whoever lists the keys, with their etags,
knows within a second which ones count, and which records were changed.
"""

import hashlib
import json
import math
import secrets
import threading
import time
from collections.abc import Iterator
from datetime import datetime

from pydantic import Field

from core import keys
from core.conditional import JSON
from core.datasets.dataset import utcnow
from core.errors import InvalidSpec, NotFound, PreconditionFailed, StateConflict
from core.ports import ObjectStore
from core.tenants import HOUSE, may_read
from matteforge.schemas.base import Frozen
from matteforge.schemas.keys import KeyChange, KeyIn, Limits, Scope

FRESH_S = 0.5  # a key that was added, changed or revoked counts so soon
BOOTSTRAP = "bootstrap"


class ApiKey(Frozen):
    """What is known of a key. Its secret is not."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    name: str = BOOTSTRAP
    tenant: str = HOUSE
    scopes: list[Scope] = Field(default_factory=lambda: list(Scope))
    created_at: datetime
    expires_at: datetime | None = None
    limits: Limits = Limits()
    bootstrap: bool = Field(False, description="from MATTEFORGE_API_KEY; another one replaces it")

    @property
    def id(self) -> str:
        return self.sha256[:12]

    @property
    def admin(self) -> bool:
        return Scope.ADMIN in self.scopes

    def may(self, scope: Scope) -> bool:
        return self.admin or scope in self.scopes

    def sees(self, owner: str) -> bool:
        """Whether data of this owner are its tenant's. Older data name the key that ordered."""
        return self.admin or owner in (self.tenant, self.sha256)

    def reads(self, tenant: str) -> bool:
        """Whether it may read this tenant's corpora and models."""
        return self.admin or may_read(tenant, self.tenant)

    def changes(self, tenant: str) -> bool:
        """Whether it may change them."""
        return self.admin or tenant == self.tenant


def new_api_key() -> str:
    """256 random bits; what a user sends as `Authorization: Bearer …`."""
    return f"mf_{secrets.token_urlsafe(32)}"


def hash_api_key(key: str) -> str:
    """SHA-256 in hex. A key has 256 bits of entropy, so no salt or stretching is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


class KeyRing:
    """The keys that may use the API. Thread-safe."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._etags: dict[str, str] = {}  # hash -> etag of its record
        self._records: dict[str, tuple[ApiKey, str]] = {}  # hash -> (key, etag when it was read)
        self._listed_s = -math.inf

    def register(self, key: str) -> None:
        """Make this the bootstrap key, with every scope; the one before it counts no more.

        Registering it again changes nothing.
        """
        sha256 = hash_api_key(key)
        for other in self.all():
            if other.bootstrap and other.sha256 != sha256:
                self._revoke(other)
        self._put(ApiKey(sha256=sha256, created_at=utcnow(), bootstrap=True))

    def create(self, wanted: KeyIn) -> tuple[ApiKey, str]:
        """A new key and its secret, which can't be had again. InvalidSpec: it has expired."""
        _check_end(wanted.expires_at)
        secret = new_api_key()
        key = ApiKey(sha256=hash_api_key(secret), created_at=utcnow(), **dict(wanted))
        self._put(key)
        return key, secret

    def rotate(self, key_id: str) -> tuple[ApiKey, str]:
        """A new secret with all else that the old one had. NotFound."""
        old = self.get(key_id)
        fields = old.model_dump(include={"name", "tenant", "scopes", "expires_at", "limits"})
        made = self.create(KeyIn.model_construct(**fields))  # an older one's name may be odd
        self._revoke(old)
        return made

    def change(self, key_id: str, wanted: KeyChange) -> ApiKey:
        """Set what `wanted` names, keep the rest. NotFound, InvalidSpec (the end is over),
        StateConflict (somebody else changed the key, or revoked it, right now)."""
        old = self.get(key_id)
        _check_end(wanted.expires_at)
        limits = old.limits.model_copy(update=wanted.limits.model_dump(exclude_unset=True))
        fields = {name: getattr(wanted, name) for name in wanted.model_fields_set}
        fields |= {"limits": limits, "scopes": wanted.scopes or old.scopes}
        changed = old.model_copy(update=fields)
        name = f"{keys.KEYRING}{old.sha256}.json"
        try:
            etag = self._store.get(name)[1].etag
            self._store.put(
                name, changed.model_dump_json().encode(), content_type=JSON, if_match=etag
            )
        except (NotFound, PreconditionFailed) as error:
            raise StateConflict(
                f"the key {key_id} is being changed by others; look again"
            ) from error
        self._forget_listing()
        return changed

    def revoke(self, key_id: str) -> None:
        """The key counts no more, within a second everywhere. NotFound."""
        self._revoke(self.get(key_id))

    def get(self, key_id: str) -> ApiKey:
        """By its id. NotFound."""
        for key in self.all():
            if key.id == key_id:
                return key
        raise NotFound(f"there is no key {key_id!r}; it may have been revoked")

    def all(self) -> Iterator[ApiKey]:
        """Every key that was not revoked, those that have expired too."""
        for name, etag in self._store.list_etags(keys.KEYRING):
            if found := self._record(name.removesuffix(".json"), etag):
                yield found

    def find(self, key: str) -> ApiKey | None:
        """The key with this secret, None when it is unknown, revoked or has expired."""
        return self.by_hash(hash_api_key(key))

    def by_hash(self, sha256: str, *, wait: bool = True) -> ApiKey | None:
        """The key that `find` would give, by the SHA-256 of its secret. wait=False: as it was
        listed last, while another thread lists the keys."""
        etag = self._known(wait).get(sha256)
        key = self._record(sha256, etag) if etag else None
        expired = key is not None and key.expires_at is not None and key.expires_at <= utcnow()
        return None if expired else key

    def empty(self) -> bool:
        return next(iter(self._store.list_keys(keys.KEYRING)), None) is None

    def _known(self, wait: bool) -> dict[str, str]:
        """Hashes and etags as of FRESH_S ago at most: guessing keys costs the store one listing a
        second."""
        if not self._lock.acquire(blocking=wait or not self._etags):
            return self._etags
        try:
            now_s = time.monotonic()
            if now_s - self._listed_s >= FRESH_S:
                listed = self._store.list_etags(keys.KEYRING)
                self._etags = {name.removesuffix(".json"): etag for name, etag in listed}
                self._listed_s = now_s
            return self._etags
        finally:
            self._lock.release()

    def _record(self, sha256: str, etag: str) -> ApiKey | None:
        """The key as its record says, which is read again once it has another etag."""
        key, read = self._records.get(sha256, (None, ""))
        if key is not None and read == etag:
            return key
        try:
            body, info = self._store.get(f"{keys.KEYRING}{sha256}.json")
        except NotFound:
            self._records.pop(sha256, None)
            return None
        # A key of the first version says only when it was made, and may do everything.
        key = ApiKey.model_validate({**json.loads(body), "sha256": sha256})
        self._records[sha256] = key, info.etag
        return key

    def _put(self, key: ApiKey) -> None:
        name = f"{keys.KEYRING}{key.sha256}.json"
        if self._store.head(name) is None:
            self._store.put(name, key.model_dump_json().encode(), content_type=JSON)
        self._forget_listing()

    def _revoke(self, key: ApiKey) -> None:
        record = key.model_dump(mode="json") | {"revoked_at": utcnow().isoformat()}
        self._store.put(
            f"{keys.REVOKED_KEYS}{key.sha256}.json",
            json.dumps(record).encode(),
            content_type=JSON,
        )
        self._store.delete(f"{keys.KEYRING}{key.sha256}.json")
        self._records.pop(key.sha256, None)
        self._forget_listing()

    def _forget_listing(self) -> None:
        with self._lock:
            self._listed_s = -math.inf


def _check_end(expires_at: datetime | None) -> None:
    """Raises InvalidSpec for an end that has no time zone, or is over."""
    if expires_at is None:
        return
    if expires_at.tzinfo is None:
        raise InvalidSpec("expires_at needs a time zone, such as 2030-01-31T00:00:00Z")
    if expires_at <= utcnow():
        raise InvalidSpec(f"expires_at is over: {expires_at.isoformat()}")
