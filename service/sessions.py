"""The console's sessions as requests see them: a cookie, looked up in the store once a minute."""

import time

from core.errors import Unauthorized
from core.keyring import KeyRing
from core.sessions import SESSION_S, SessionBook

COOKIE = "matteforge_session"
CONSOLE_HEADER = "x-matteforge-console"
"""Sent by the console with everything that changes something. A page of another origin can't send
it without this service's leave, which is never given: with SameSite=Strict, what keeps it out."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READ_BY_POST = frozenset({"/flower/tasks/datatable"})
"""Flower's table of tasks asks by POST, and changes nothing."""
CACHE_S = 60.0
MAX_CACHED = 1000
MAX_TOKEN = 200


class Sessions:
    """Signs in, looks up and signs out. Thread-safe: dictionary operations are atomic."""

    lifetime_s = SESSION_S

    def __init__(self, book: SessionBook, keyring: KeyRing) -> None:
        self._book = book
        self._keyring = keyring
        self._known: dict[str, tuple[str, float]] = {}  # token -> (owner, until)

    def sign_in(self, key: str) -> tuple[str, str]:
        """(owner, token) for a valid key. Raises Unauthorized."""
        found = self._keyring.find(key)
        if found is None:
            raise Unauthorized("this key is not known here; it may have been revoked")
        return found.sha256, self._book.open(found.sha256)

    def owner(self, token: str) -> str | None:
        """Whose session it is, None when there is no such session (any more)."""
        if not token or len(token) > MAX_TOKEN:
            return None
        owner, until = self._known.get(token, (None, 0.0))
        if owner is not None and time.monotonic() < until:
            return owner
        owner = self._book.owner(token)
        if owner is None:
            self._known.pop(token, None)
            return None
        if len(self._known) >= MAX_CACHED:
            self._known.clear()
        self._known[token] = owner, time.monotonic() + CACHE_S
        return owner

    def sign_out(self, token: str) -> None:
        """End a session, here at once and within a minute on other processes."""
        if token and len(token) <= MAX_TOKEN:
            self._known.pop(token, None)
            self._book.close(token)
