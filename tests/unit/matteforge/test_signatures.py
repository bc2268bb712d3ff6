"""Signatures of webhooks, against the library of those who wrote the specification."""

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from matteforge.signatures import (
    SignatureInvalid,
    new_webhook_secret,
    signed_headers,
    verify_webhook,
)

BODY = b'{"type": "ping"}'


def now_s() -> int:
    return int(datetime.now(UTC).timestamp())


def test_the_standard_library_of_webhooks_verifies_ours() -> None:
    secret = new_webhook_secret()
    headers = signed_headers([secret], "wh_1", now_s(), BODY)
    assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)


def test_either_of_two_secrets_verifies() -> None:
    old, new = new_webhook_secret(), new_webhook_secret()
    headers = signed_headers([new, old], "wh_1", now_s(), BODY)
    for secret in (old, new):
        Webhook(secret).verify(BODY, headers)
        verify_webhook(secret, headers, BODY)


def test_ours_verifies_theirs() -> None:
    secret, sent = new_webhook_secret(), datetime.now(UTC)
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(sent.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("msg_1", sent, BODY.decode()),
    }
    verify_webhook(secret, headers, BODY)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"webhook-id": "wh_2"}, "no signature"),
        ({"webhook-timestamp": "soon"}, "no number"),
        ({"webhook-timestamp": str(10**11)}, "s from now"),
        ({"webhook-signature": "v1,AAAA v2,BBBB"}, "no signature"),
        ({"webhook-signature": ""}, "no signature"),
        ({"webhook-id": None}, "webhook-id"),
    ],
)
def test_what_was_changed_is_refused(change: dict[str, str | None], message: str) -> None:
    secret = new_webhook_secret()
    headers = {**signed_headers([secret], "wh_1", now_s(), BODY), **change}
    given = {name: value for name, value in headers.items() if value is not None}
    with pytest.raises(SignatureInvalid, match=message):
        verify_webhook(secret, given, BODY)


def test_an_old_message_and_an_odd_secret_are_refused() -> None:
    secret = new_webhook_secret()
    headers = signed_headers([secret], "wh_1", now_s() - 400, BODY)
    with pytest.raises(SignatureInvalid, match="s from now"):
        verify_webhook(secret, headers, BODY)
    verify_webhook(secret, headers, BODY, now_s=now_s() - 400)
    with pytest.raises(SignatureInvalid, match="base64"):
        verify_webhook("whsec_?", headers, BODY, now_s=now_s() - 400)
