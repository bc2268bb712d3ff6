"""Options of commands that order training runs."""

import json
from collections.abc import Callable
from typing import Any

import click

from matteforge.cli.pairs import pairs_of


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


parse_settings = pairs_of(_json_or_text)
"""A callback of options FIELD=JSON; what is no JSON is taken as text."""

CORPORA = (
    click.option(
        "--labelled", multiple=True, required=True,
        help="corpus of image-alpha pairs; may be repeated",
    ),
    click.option(
        "--unlabelled", multiple=True, required=True, help="corpus to be labelled; may be repeated"
    ),
    click.option(
        "--backgrounds", multiple=True,
        help="corpus of photographs without subjects; may be repeated",
    ),
)  # fmt: skip
FIELDS = (
    click.option("--preset", default="embedded", show_default=True),
    click.option(
        "--set", "settings", multiple=True, callback=parse_settings, metavar="FIELD=JSON",
        help="any other field, e.g. samples=200",
    ),
)  # fmt: skip


def run_fields(command: Callable[..., None]) -> Callable[..., None]:
    """Adds --preset and --set: the fields of a run beside its corpora."""
    for option in reversed(FIELDS):
        command = option(command)
    return command


def run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds what a run is ordered with: its corpora, its preset and any other field."""
    command = run_fields(command)
    for option in reversed(CORPORA):
        command = option(command)
    return command
