"""What must happen once before the API can serve: a fit bucket and an API key. Retried while the
store is away."""

import logging
import os
import sys
import threading
from pathlib import Path

from core.errors import PermanentError, TransientError
from core.keyring import KeyRing, new_api_key
from core.ports import ObjectStore
from core.settings import Settings

RETRY_S = 2.0

log = logging.getLogger(__name__)


class Startup:
    """`begin` tries at once and goes on in a thread when the store does not answer yet."""

    def __init__(self, settings: Settings, store: ObjectStore, keyring: KeyRing) -> None:
        self.missing: str | None = "the object store was not reached yet"  # None: ready
        self._settings = settings
        self._store = store
        self._keyring = keyring
        self._stop = threading.Event()

    def begin(self) -> None:
        """Raises StoreUnfit or StoreRefused when the store can't be used at all."""
        if not self._attempt():
            threading.Thread(target=self._retry, name="startup", daemon=True).start()

    def end(self) -> None:
        self._stop.set()

    def _retry(self) -> None:
        while not self._stop.wait(RETRY_S):
            try:
                if self._attempt():
                    return
            except PermanentError as error:  # mended by a change of policy or keys there
                log.error("waiting: %s", error.detail)
                self.missing = error.detail

    def _attempt(self) -> bool:
        try:
            self._store.probe()
            self._ensure_key()
        except TransientError as error:
            log.warning("waiting for the object store: %s", error.detail)
            return False
        self.missing = None
        return True

    def _ensure_key(self) -> None:
        if self._settings.api_key is not None:
            self._keyring.register(self._settings.api_key.get_secret_value())
        elif self._keyring.empty():
            path, key = self._settings.api_key_file.resolve(), new_api_key()
            write_secret(path, key + "\n")
            self._keyring.register(key)
            print(f"the first API key is in {path}; only its hash is stored", file=sys.stderr)


def write_secret(path: Path, text: str) -> None:
    """Write a file that its owner alone may read. PermanentError: that can't be."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
    except OSError as error:
        raise PermanentError(
            f"the first API key can't be kept in {path}: {error.strerror}; set MATTEFORGE_API_KEY, "
            "or MATTEFORGE_API_KEY_FILE to a file that can be written"
        ) from error
