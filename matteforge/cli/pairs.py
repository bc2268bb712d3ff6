"""Options NAME=VALUE."""

from collections.abc import Callable
from typing import Any

import click


def pairs_of(
    kind: Callable[[str], Any],
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], dict[str, Any]]:
    """A callback of options NAME=VALUE that may be repeated."""

    def parse(
        context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
    ) -> dict[str, Any]:
        pairs = {}
        for value in values:
            name, separator, text = value.partition("=")
            try:
                pairs[name] = kind(text)
            except ValueError:
                separator = ""
            if not separator:
                raise click.BadParameter(f"{value!r} is not NAME=VALUE")
        return pairs

    return parse
