"""Sessions of the web console, at sessions/EXPIRES-HASH.json: only a token's SHA-256 is stored."""

import hashlib
import json
import secrets
import time

from core import keys
from core.errors import NotFound
from core.ports import ObjectStore

SESSION_S = 12 * 3600


class SessionBook:
    """Who is signed in. A token is `EXPIRES.RANDOM`; its hash covers both, so neither can be
    changed."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def open(self, owner: str) -> str:
        """A new session of `owner` (core.keyring); returns its token and removes expired ones."""
        now_s = time.time()
        self._sweep(now_s)
        token = f"{round(now_s) + SESSION_S}.{secrets.token_urlsafe(32)}"
        body = json.dumps({"owner": owner}).encode()
        self._store.put(_key(token), body, content_type="application/json")
        return token

    def owner(self, token: str) -> str | None:
        """Whose session it is; None when it is unknown, was closed or has expired."""
        expires = token.partition(".")[0]
        if not (expires.isascii() and expires.isdecimal() and len(expires) <= 12):
            return None
        if int(expires) < time.time():
            return None
        try:
            body, _ = self._store.get(_key(token))
        except NotFound:
            return None
        owner: str = json.loads(body)["owner"]
        return owner

    def close(self, token: str) -> None:
        """End a session; ending it again changes nothing."""
        if token.partition(".")[0].isdecimal():
            self._store.delete(_key(token))

    def _sweep(self, now_s: float) -> None:
        for key in self._store.list_keys(keys.SESSIONS):
            expires = key.removeprefix(keys.SESSIONS).partition("-")[0]
            if int(expires) >= now_s:
                return  # keys come in ascending order
            self._store.delete(key)


def _key(token: str) -> str:
    expires = int(token.partition(".")[0])
    return f"{keys.SESSIONS}{expires:012d}-{hashlib.sha256(token.encode()).hexdigest()}.json"
