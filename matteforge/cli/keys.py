"""`matteforge keys create | list | scopes | limit | rotate | revoke`: for keys with the scope
admin."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import click
from pydantic import ValidationError

from matteforge.cli.connection import service
from matteforge.client import MatteForge
from matteforge.schemas.keys import KeyChange, KeyIn, KeyOut, NewKeyOut, Scope

Body = TypeVar("Body", KeyIn, KeyChange)
SCOPE = click.Choice([scope.value for scope in Scope])


@click.group()
def keys() -> None:
    """Make, list, change, rotate and revoke API keys."""


@keys.command()
@click.argument("name")
@click.option("--tenant", default="default", show_default=True, help="whose data it sees")
@click.option(
    "--scope",
    "scopes",
    type=SCOPE,
    multiple=True,
    help="may be repeated  [default: read, order]",
)
@click.option("--expires", type=click.DateTime(), help="UTC, such as 2030-01-31")
@click.option("--requests-per-second", type=float, help="[default: the service's]")
@click.option("--samples-per-day", type=int, help="ordered by this key")
@click.option("--datasets-at-once", type=int, help="of its tenant that have not ended")
@click.option("--bytes-stored", type=int, help="in shards of its tenant")
@service
def create(
    client: MatteForge,
    name: str,
    tenant: str,
    scopes: tuple[str, ...],
    expires: datetime | None,
    **limits: float | None,
) -> None:
    """Make a key for NAME. Its secret is printed once, and kept nowhere.

    What a key may use is limited, by default as the service's settings say.
    """
    end = f"{expires.isoformat()}Z" if expires else None
    given = {"scopes": list(scopes)} if scopes else {}
    fields = {"name": name, "tenant": tenant, "expires_at": end, "limits": limits, **given}
    _show_secret(client.create_key(_checked(KeyIn, fields)))


@keys.command("list")
@service
def list_(client: MatteForge) -> None:
    """Every key that was not revoked."""
    for key in client.keys():  # noqa: SIM118
        click.echo(_line(key))


@keys.command()
@click.argument("key_id")
@click.argument("wanted", metavar="SCOPE...", type=SCOPE, nargs=-1, required=True)
@service
def scopes(client: MatteForge, key_id: str, wanted: tuple[str, ...]) -> None:
    """Let KEY_ID do what each SCOPE says, and nothing else, within a second: read, order, train,
    admin. Its secret stays."""
    change = _checked(KeyChange, {"scopes": list(wanted)})
    click.echo(_line(client.change_key(key_id, change)))


@keys.command()
@click.argument("key_id")
@click.option("--requests-per-second", metavar="N")
@click.option("--samples-per-day", metavar="N")
@click.option("--datasets-at-once", metavar="N")
@click.option("--bytes-stored", metavar="N")
@click.option("--expires", metavar="DATE", help="UTC, such as 2030-01-31, or never")
@service
def limit(client: MatteForge, key_id: str, expires: str | None, **limits: str | None) -> None:
    """Change the limits of KEY_ID, and when it expires. What is not named stays.

    A limit is a number, or `default` for the service's own.
    """
    changes: dict[str, Any] = {
        "limits": {
            name: None if value == "default" else value
            for name, value in limits.items()
            if value is not None
        }
    }
    if expires is not None:
        changes["expires_at"] = None if expires == "never" else f"{_date(expires).isoformat()}Z"
    elif not changes["limits"]:
        raise click.UsageError("name what is to be changed, such as --samples-per-day 1000")
    click.echo(_line(client.change_key(key_id, _checked(KeyChange, changes))))


@keys.command()
@click.argument("key_id")
@service
def rotate(client: MatteForge, key_id: str) -> None:
    """Give KEY_ID a new secret; the old one stops working at once."""
    _show_secret(client.rotate_key(key_id))


@keys.command()
@click.argument("key_id")
@service
def revoke(client: MatteForge, key_id: str) -> None:
    """Make KEY_ID stop working, within a second."""
    client.revoke_key(key_id)
    click.echo(f"{key_id} is revoked")


def _checked(kind: type[Body], fields: Mapping[str, object]) -> Body:
    try:
        return kind.model_validate(fields, strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        raise click.BadParameter(f"{first['loc'][-1]}: {first['msg']}") from error


def _date(text: str) -> datetime:
    found: datetime = click.DateTime().convert(text, None, None)
    return found


def _show_secret(made: NewKeyOut) -> None:
    click.echo(_line(made), err=True)
    click.echo(made.key)


def _line(key: KeyOut) -> str:
    end = f"until {key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "for ever"
    head = f"{key.id}  {key.name:20} {key.tenant:16} {','.join(key.scopes):22} {end}"
    limits = {name: value for name, value in key.limits.model_dump().items() if value is not None}
    told = ", ".join(f"{name.replace('_', ' ')} {value:,.12g}" for name, value in limits.items())
    return f"{head}  {told or 'no limits'}"
