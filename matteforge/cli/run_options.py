"""Options of commands that order training runs."""

import json
from collections.abc import Callable
from typing import Any

import click


def parse_settings(
    context: click.Context, parameter: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, Any]:
    """A callback of options FIELD=JSON; what is no JSON is taken as text."""
    found = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator:
            raise click.BadParameter(f"{pair!r} is not FIELD=VALUE")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


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
