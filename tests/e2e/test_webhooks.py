"""A dataset's end, told through every process to a receiver that checks signatures by the library
of those who wrote the specification."""

import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from click.testing import CliRunner
from standardwebhooks import Webhook

from deploy.local.stack import Stack
from matteforge.cli.webhooks import webhooks
from matteforge.client import MatteForge


class Receiver(BaseHTTPRequestHandler):
    """Answers the first message with 503, the others with 204."""

    seen: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        type(self).seen.append((headers, body))
        self.send_response(503 if len(type(self).seen) == 1 else 204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def receiver(serve_http: Callable[..., str]) -> tuple[str, list[tuple[dict[str, str], bytes]]]:
    handler = type("Handler", (Receiver,), {"seen": []})
    return f"{serve_http(handler)}/hook", handler.seen


def until(found: Callable[[], Any]) -> Any:
    deadline_s = time.monotonic() + 60
    while not (value := found()):
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.1)
    return value


def test_an_end_arrives_signed_is_tried_again_and_replayed(
    stack: Stack, client: MatteForge, receiver
) -> None:
    url, seen = receiver
    secret = client.webhooks.new_secret().secret
    ordered = client.order(4, seed=1, webhook_url=url)
    until(lambda: len(seen) == 2)  # 503, and again some seconds later
    for headers, body in seen:
        told = Webhook(secret).verify(body, headers)
        assert (told["type"], told["data"]["id"]) == ("dataset.completed", ordered.id)
    assert seen[0][0]["webhook-id"] == seen[1][0]["webhook-id"]

    delivery = until(
        lambda: list(client.webhooks.deliveries(dataset_id=ordered.id, state="delivered"))
    )[0]
    assert [attempt.status for attempt in delivery.attempts] == [503, 204]
    client.webhooks.replay(delivery.id)
    until(lambda: len(seen) == 3)
    assert (seen[2][1], seen[2][0]["webhook-id"]) == (seen[1][1], delivery.id)

    asked = ["--url", stack.url, "--api-key", stack.api_key]
    pinged = CliRunner().invoke(webhooks, ["test", url, *asked])
    assert (pinged.exit_code, pinged.stdout) == (0, f"{url}: answered 204\n"), pinged.output
    headers, body = seen[3]
    checked = CliRunner().invoke(
        webhooks,
        ["verify", "--secret", secret, "--id", headers["webhook-id"],
         "--timestamp", headers["webhook-timestamp"], "--signature", headers["webhook-signature"]],
        input=body,
    )  # fmt: skip
    assert checked.stdout == "the signature is right\n"
    assert json.loads(body)["type"] == "ping"
    wrong = CliRunner().invoke(webhooks, ["verify", "--secret", secret, "--id", "x", "--timestamp",
                                          headers["webhook-timestamp"], "--signature",
                                          headers["webhook-signature"]], input=body)  # fmt: skip
    assert (wrong.exit_code, "Error: no signature" in wrong.stderr) == (1, True)
    listed = CliRunner().invoke(webhooks, ["list", "--quiet", *asked])
    assert delivery.id in listed.stdout
