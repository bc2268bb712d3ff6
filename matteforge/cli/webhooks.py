"""`matteforge webhooks`: the secret, deliveries, replays, test messages, and checking a message."""

import sys
import time
from collections.abc import Sequence
from itertools import islice
from typing import BinaryIO

import click
from rich.console import Console
from rich.table import Column, Table

from matteforge.cli.connection import output, service
from matteforge.cli.listing import print_list
from matteforge.client import MatteForge
from matteforge.schemas.webhooks import DeliveryOut, DeliveryState
from matteforge.signatures import SignatureInvalid, verify_webhook

PING_WAIT_S = 30.0


@click.group()
def webhooks() -> None:
    """Signed messages that tell when a dataset ends."""


@webhooks.command("secret")
@service
def new_secret(client: MatteForge) -> None:
    """Make the secret that messages are signed with, or a new one. Shown once; the one before it
    signs as well for a day."""
    click.echo(client.webhooks.new_secret().secret)


@webhooks.command("list")
@click.option("--dataset", "dataset_id", metavar="ID", help="only of this dataset")
@click.option("--state", type=click.Choice([state.value for state in DeliveryState]))
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@output
@service
def list_deliveries(
    client: MatteForge,
    dataset_id: str | None,
    state: str | None,
    limit: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """List deliveries of the last month, those of the newest datasets first."""
    found = list(islice(client.webhooks.deliveries(dataset_id=dataset_id, state=state), limit))
    print_list(found, lambda each: each.id, _print_deliveries, as_json=as_json, quiet=quiet)


def _print_deliveries(found: Sequence[DeliveryOut]) -> None:
    table = Table(Column("id", no_wrap=True), "event", "state", "tries", "last", box=None)
    for delivery in found:
        tries = str(len(delivery.attempts))
        table.add_row(delivery.id, delivery.event, delivery.state, tries, _last(delivery))
    Console().print(table)


@webhooks.command()
@click.argument("delivery_id")
@service
def replay(client: MatteForge, delivery_id: str) -> None:
    """Send a delivery again: the same id and body, signed anew."""
    delivery = client.webhooks.replay(delivery_id)
    click.echo(f"{delivery.id} is sent to {delivery.url} again")


@webhooks.command()
@click.argument("receiver")
@service
def test(client: MatteForge, receiver: str) -> None:
    """Send a signed ping to the address RECEIVER, and wait for what it answers."""
    delivery = client.webhooks.test(receiver)
    until_s = time.monotonic() + PING_WAIT_S
    while not delivery.attempts and time.monotonic() < until_s:
        client.transport.sleep(0.3)
        delivery = client.webhooks.get(delivery.id)
    if delivery.state is not DeliveryState.DELIVERED:
        raise click.ClickException(f"{receiver}: {_last(delivery) or 'not sent yet'}")
    click.echo(f"{receiver}: {_last(delivery)}")


@webhooks.command()
@click.option("--id", "message_id", required=True, help="the header webhook-id")
@click.option("--timestamp", required=True, help="the header webhook-timestamp")
@click.option("--signature", required=True, help="the header webhook-signature")
@click.option("--secret", envvar="MATTEFORGE_WEBHOOK_SECRET", show_envvar=True, required=True)
@click.option("--any-age", is_flag=True, help="also a message that is older than five minutes")
@click.argument("body", type=click.File("rb"), default="-")
def verify(
    message_id: str, timestamp: str, signature: str, secret: str, any_age: bool, body: BinaryIO
) -> None:
    """Check the signature of a message whose body is in the file BODY, or on standard input."""
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature,
    }
    sent_s = int(timestamp) if any_age and timestamp.isdecimal() else None
    try:
        verify_webhook(secret, headers, body.read(), now_s=sent_s)
    except SignatureInvalid as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    click.echo("the signature is right")


def _last(delivery: DeliveryOut) -> str:
    """What the last try came to."""
    if not delivery.attempts:
        return ""
    attempt = delivery.attempts[-1]
    return f"answered {attempt.status}" if attempt.status else str(attempt.error)
