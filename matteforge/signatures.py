"""Signatures of webhooks, as Standard Webhooks defines them (standardwebhooks.com, version 1).

The signed text is `ID.TIMESTAMP.BODY`; the signature is `v1,` and the base64 of its HMAC-SHA256.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping

PREFIX = "whsec_"
TOLERANCE_S = 300
SECRET_BYTES = 32


class SignatureInvalid(ValueError):
    """The message was not signed with this secret, or is too old."""


def new_webhook_secret() -> str:
    """A secret of 256 random bits, `whsec_…`."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(
    secrets_in_use: Iterable[str], message_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """The three headers of a message; one signature for each secret."""
    made = [_signature(secret, message_id, timestamp_s, body) for secret in secrets_in_use]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(made),
    }


def verify_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, *, now_s: float | None = None
) -> None:
    """Check that a message comes from the service that holds `secret`.

    Raises SignatureInvalid: a header is missing, no signature is right, or it was sent more than
    five minutes from now.
    """
    sent = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp = sent["webhook-id"], sent["webhook-timestamp"]
        given = sent["webhook-signature"].split()
    except KeyError as missing:
        raise SignatureInvalid(f"the header {missing} is missing") from None
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise SignatureInvalid(f"the header webhook-timestamp is no number: {timestamp[:30]!r}")
    off_s = abs((time.time() if now_s is None else now_s) - int(timestamp))
    if off_s > TOLERANCE_S:
        raise SignatureInvalid(f"it was sent {off_s:.0f} s from now; at most {TOLERANCE_S}")
    expected = _signature(secret, message_id, int(timestamp), body).encode()
    if not any(hmac.compare_digest(expected, one.encode()) for one in given):
        raise SignatureInvalid("no signature is of this secret and this body")


def _signature(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise SignatureInvalid("the secret is no base64; it looks like whsec_…") from None
    text = b".".join((message_id.encode(), str(timestamp_s).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()
