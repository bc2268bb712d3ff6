"""`matteforge audit`: who changed what; for keys with the scope admin."""

from datetime import UTC, datetime
from itertools import islice

import click

from matteforge.cli.connection import service
from matteforge.client import MatteForge


@click.command()
@click.option("--key", help="only this key's id, as `keys list` shows it")
@click.option("--tenant", help="only this tenant's")
@click.option("--since", type=click.DateTime(), help="UTC, such as 2030-01-31T12:00:00")
@click.option("--until", type=click.DateTime(), help="UTC")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="print a line of JSON each, for programs")
@service
def audit(
    client: MatteForge,
    key: str | None,
    tenant: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """Every request that may have changed something, refused ones too, newest first."""
    start, end = (at.replace(tzinfo=UTC) if at else None for at in (since, until))
    lines = client.audit(key=key, tenant=tenant, since=start, until=end)
    for line in islice(lines, limit):
        if as_json:
            click.echo(line.model_dump_json())
        else:
            who = f"{line.key or '-':12} {line.tenant or '-':16}"
            what = f"{line.method} {line.path}" + (f": {line.change}" if line.change else "")
            click.echo(f"{line.at:%Y-%m-%d %H:%M:%S} {line.status} {who} {what}")
