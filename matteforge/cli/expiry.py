"""`matteforge expire`, and spans of time as people write them."""

import re
from datetime import UTC, datetime, timedelta

import click

from matteforge.cli.connection import service
from matteforge.client import MatteForge
from matteforge.schemas.expiry import LONGEST_S

SECONDS = {"m": 60, "h": 3600, "d": 86400}


def seconds_of(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Seconds of `90m`, `12h` or `30d`."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,6})([mhd])", value, re.ASCII)
    seconds = int(found[1]) * SECONDS[found[2]] if found else 0
    if not 60 <= seconds <= LONGEST_S:
        raise click.BadParameter(f"{value!r} is no time such as 90m, 12h or 30d")
    return seconds


@click.command()
@click.argument("dataset_id")
@click.option("--in", "in_s", callback=seconds_of, metavar="TIME", help="from now, e.g. 12h or 30d")
@click.option("--never", is_flag=True, help="keep it until it is deleted by hand")
@service
def expire(client: MatteForge, dataset_id: str, in_s: int | None, never: bool) -> None:
    """Change when DATASET_ID is deleted by itself; one that has not ended is kept until then."""
    if (in_s is None) != never:
        raise click.UsageError("give either --in TIME or --never")
    at = datetime.now(UTC) + timedelta(seconds=in_s) if in_s is not None else None
    end = client.set_expiry(dataset_id, at).expires_at
    click.echo(f"{dataset_id} expires {end:%Y-%m-%d %H:%M} UTC" if end else f"{dataset_id} stays")
