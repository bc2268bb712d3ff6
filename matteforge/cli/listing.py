"""How commands print a list."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import click
from pydantic import BaseModel

Item = TypeVar("Item", bound=BaseModel)


def print_list(
    found: Sequence[Item],
    name: Callable[[Item], str],
    print_table: Callable[[Sequence[Item]], None],
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """A line of JSON each, or names alone when `quiet`, or a table."""
    if as_json:
        for item in found:
            click.echo(item.model_dump_json())
    elif quiet:
        click.echo("\n".join(name(item) for item in found))
    else:
        print_table(found)
