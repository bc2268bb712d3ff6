"""API keys: only their SHA-256 is stored, at keys/HASH.json."""

import hashlib
import json
import secrets

from core import keys
from core.conditional import put_once
from core.datasets.dataset import utcnow
from core.ports import ObjectStore


def new_api_key() -> str:
    """256 random bits; what a user sends as `Authorization: Bearer …`."""
    return f"mf_{secrets.token_urlsafe(32)}"


def hash_api_key(key: str) -> str:
    """SHA-256 in hex. A key has 256 bits of entropy, so no salt or stretching is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


class KeyRing:
    """The keys that may use the API."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def register(self, key: str) -> None:
        """Allow a key; registering it again changes nothing."""
        body = json.dumps({"created_at": utcnow().isoformat()}).encode()
        put_once(self._store, f"{keys.KEYRING}{hash_api_key(key)}.json", body)

    def owner(self, key: str) -> str | None:
        """Who the key stands for (its hash), None when it is unknown."""
        owner = hash_api_key(key)
        return owner if self._store.head(f"{keys.KEYRING}{owner}.json") else None

    def empty(self) -> bool:
        return next(iter(self._store.list_keys(keys.KEYRING)), None) is None
