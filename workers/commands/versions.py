"""`matteforge models promote | rollback | history`: as the API, where the store is."""

import getpass

import click

from core.errors import MatteForgeError
from core.registry import CHAMPION, Registry


@click.command()
@click.argument("name")
@click.argument("version", default="candidate")
@click.option("--reason", required=True, help="Kept in the audit trail.")
def promote(name: str, version: str, reason: str) -> None:
    """Make VERSION (an alias or sha256:DIGEST; default: candidate) the champion of NAME.

    Datasets under way keep what they pinned; the next order takes the new champion.
    """
    registry = _registry()
    try:
        digest = registry.resolve(f"{name}@{version}")
        registry.move_alias(name, CHAMPION, digest, reason=reason, actor=_actor())
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error
    click.echo(f"{name}@{CHAMPION} {digest}")


@click.command()
@click.argument("name")
@click.option("--reason", required=True, help="Kept in the audit trail.")
def rollback(name: str, reason: str) -> None:
    """Make the version champion of NAME again that was it before the present one came."""
    try:
        move = _registry().rollback(name, reason=reason, actor=_actor())
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error
    click.echo(f"{name}@{CHAMPION} {move.digest}")


@click.command()
@click.argument("name")
def history(name: str) -> None:
    """The audit trail of NAME's aliases, newest first: when, which alias, which version, why, by
    whom."""
    try:
        trail = _registry().aliases(name).moves
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error
    moves = [(move, alias) for alias, found in trail.items() for move in found]
    for move, alias in sorted(moves, key=lambda entry: entry[0].at, reverse=True):
        by = f" (by {move.actor})" if move.actor else ""
        click.echo(f"{move.at:%Y-%m-%d %H:%M:%S}  {name}@{alias}  {move.digest}  {move.reason}{by}")


def _actor() -> str:
    return f"command line, {getpass.getuser()}"


def _registry() -> Registry:
    from workers.app import context

    return Registry(context().catalog.store)
