"""A dataset's end, told through every process to a receiver that checks signatures by the library
of those who wrote the specification."""

import json
import time
from collections.abc import Callable
from typing import Any

from click.testing import CliRunner
from standardwebhooks import Webhook

from deploy.local.stack import Stack
from matteforge.cli.webhooks import webhooks
from matteforge.client import MatteForge


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
