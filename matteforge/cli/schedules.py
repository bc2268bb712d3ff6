"""`matteforge schedules set | list | delete`: train a domain again and again."""

import re
from typing import Any

import click

from matteforge.cli.connection import service
from matteforge.cli.run_options import run_options
from matteforge.client import MatteForge
from matteforge.schemas.training import ScheduleOut

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(context: click.Context, parameter: click.Parameter, value: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value)
    if match is None:
        raise click.BadParameter(
            f"{value!r} is not a number and one of {', '.join(UNITS_S)}, e.g. 12h"
        )
    return float(match[1]) * UNITS_S[match[2]]


@click.group()
def schedules() -> None:
    """Set, list and delete the schedules of a service's training."""


@schedules.command("set")
@click.argument("domain")
@click.option(
    "--every",
    "every_s",
    callback=_seconds,
    required=True,
    help="from start to start, e.g. 12h or 7d",
)
@click.option(
    "--min-new-samples",
    type=int,
    default=0,
    show_default=True,
    help="a run waits for so many new ones",
)
@run_options
@service
def set_(client: MatteForge, domain: str, settings: dict[str, Any], **options: Any) -> None:
    """Train DOMAIN periodically; replaces its schedule."""
    click.echo(_line(client.training.set_schedule(domain, **options, **settings)))


@schedules.command("list")
@service
def list_(client: MatteForge) -> None:
    """Each domain's schedule and what it waits for."""
    for schedule in client.training.schedules():
        click.echo(_line(schedule))


@schedules.command()
@click.argument("domain")
@service
def delete(client: MatteForge, domain: str) -> None:
    """Train DOMAIN no more by itself; a run that is under way goes on."""
    client.training.delete_schedule(domain)
    click.echo(f"{domain} has no schedule any more")


def _line(schedule: ScheduleOut) -> str:
    waits = f"waits for {schedule.waits_for}" if schedule.waits_for else "starts within a minute"
    return (
        f"{schedule.domain:16} every {schedule.every_s / 3600:g} h, {schedule.new_samples} new "
        f"samples "
        f"(at least {schedule.min_new_samples}); {waits}"
    )
