"""API keys: only their SHA-256 is stored, at keys/HASH.json."""

import hashlib
import json
import math
import secrets
import threading
import time

from core import keys
from core.conditional import put_once
from core.datasets.dataset import utcnow
from core.ports import ObjectStore

FRESH_S = 1.0  # a key that was added or removed counts so soon


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
        self._lock = threading.Lock()
        self._owners: frozenset[str] = frozenset()
        self._listed_s = -math.inf

    def register(self, key: str) -> None:
        """Allow a key; registering it again changes nothing."""
        body = json.dumps({"created_at": utcnow().isoformat()}).encode()
        put_once(self._store, f"{keys.KEYRING}{hash_api_key(key)}.json", body)

    def owner(self, key: str) -> str | None:
        """Who the key stands for (its hash), None when it is unknown."""
        owner = hash_api_key(key)
        return owner if owner in self._known() else None

    def _known(self) -> frozenset[str]:
        """Owners as of FRESH_S ago at most: guessing keys costs the store one listing a second."""
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._listed_s >= FRESH_S:
                names = self._store.list_names(keys.KEYRING)
                self._owners = frozenset(name.removesuffix(".json") for name in names)
                self._listed_s = now_s
            return self._owners

    def empty(self) -> bool:
        return next(iter(self._store.list_keys(keys.KEYRING)), None) is None
