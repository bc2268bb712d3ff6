"""`matteforge order | status | cancel`."""

import json
from typing import Any, get_args

import click

from matteforge.calls import OrderOptions
from matteforge.cli.connection import output, service
from matteforge.cli.expiry import seconds_of
from matteforge.cli.pairs import pairs_of
from matteforge.cli.progress import end, show, watch
from matteforge.client import MatteForge
from matteforge.schemas.attributes import MEMBERS, VOCABULARIES, Framing
from matteforge.schemas.criteria import BY_NAME
from matteforge.schemas.datasets import DatasetOut


def _json_object(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> dict[str, Any]:
    try:
        found = json.loads(value or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise click.BadParameter(f"{value!r} is no JSON object")
    return found


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> list[str]:
    return [name.strip() for name in (value or "").split(",") if name.strip()]


LABEL = click.option(
    "--label", "labels", multiple=True, callback=pairs_of(str), metavar="NAME=VALUE",
    help="may be repeated",
)  # fmt: skip
WATCH = click.option(
    "--wait", "--watch", "watching", is_flag=True, help="show progress until it has ended"
)


@click.command()
@click.argument("count", type=int)
@click.option("--model", help="name, name@alias or name@sha256:DIGEST  [default: humans]")
@click.option("--seed", type=int, help="drawn when left out")
@click.option(
    "--psi",
    "truncation_psi",
    type=float,
    help="truncation: variety against typicality  [default: the model's, mostly 0.7]",
)
@click.option("--shard-size", type=int, help="samples a shard  [default: 2 to 16 shards]")
@click.option("--image-format", type=click.Choice(["png", "webp", "jpeg"]), help="[default: png]")
@click.option(
    "--alpha-bits",
    type=click.Choice(["8", "16"]),
    callback=lambda c, p, v: v and int(v),
    help="[default: 8]",
)
@click.option(
    "--filter", "filter", multiple=True, callback=pairs_of(float), metavar="CRITERION=THRESHOLD",
    help=f"may be repeated; criteria: {', '.join(BY_NAME)}",
)  # fmt: skip
@LABEL
@click.option(
    "--source",
    type=click.Choice(["generated", "rendered"]),
    help="StyleMatteGAN or the renderer  [default: generated]",
)
@click.option(
    "--domain",
    type=click.Choice(list(VOCABULARIES)),
    help=f"rendered: what is in the pictures  [default: {next(iter(VOCABULARIES))}]",
)
@click.option("--size", type=int, help="rendered: pixels a side, 64 to 1024  [default: 256]")
@click.option(
    "--framing",
    type=click.Choice(get_args(Framing)),
    help="rendered: heads anywhere or in one place  [default: free]",
)
@click.option(
    "--attributes",
    callback=_json_object,
    metavar="JSON",
    help="""rendered: shares, e.g. '{"glasses": 0.3}'""",
)
@click.option(
    "--members",
    callback=_names,
    metavar="NAME,…",
    help=f"beside image and alpha: {', '.join(MEMBERS[:3])}; rendered: {', '.join(MEMBERS[3:])}",
)
@click.option(
    "--expires-in",
    "expires_in_s",
    callback=seconds_of,
    metavar="TIME",
    help="delete it by itself, e.g. 12h or 30d from now  [default: as the service's policy says]",
)
@click.option("--idempotency-key", help="repeating an order with the same key orders once")
@click.option(
    "--split", "splits", multiple=True, callback=pairs_of(float), metavar="NAME=SHARE",
    help="may be repeated: train, validation, test; shares add up to 1",
)  # fmt: skip
@click.option(
    "--background",
    help="behind the member composite: builtin, #rrggbb or corpus:NAME  [default: builtin]",
)
@click.option(
    "--webhook", "webhook_url", metavar="URL", help="told by a signed POST when the dataset ends"
)
@click.option(
    "--webhook-event",
    "webhook_events",
    multiple=True,
    callback=lambda c, p, v: list(v),
    help="may be repeated: dataset.completed, dataset.failed, dataset.cancelled [default: these],"
    " shard.committed",
)
@WATCH
@output
@service
def order(
    client: MatteForge,
    count: int,
    idempotency_key: str | None,
    watching: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Order COUNT image-alpha pairs. Prints the dataset's id."""
    given: OrderOptions = {
        name: value for name, value in options.items() if value not in (None, {}, [])
    }  # type: ignore[assignment]
    dataset = client.order(count, idempotency_key=idempotency_key, **given)
    tell_ordered(client, dataset, watching=watching, as_json=as_json, quiet=quiet)


def tell_ordered(
    client: MatteForge, made: DatasetOut, *, watching: bool, as_json: bool, quiet: bool
) -> None:
    """Print the id of an order, or all that is known of it; `watching`: how it ends as well."""
    if not as_json:
        click.echo(made.id)
    if watching:
        end(watch(client, made.id, quiet=quiet), as_json=as_json, quiet=quiet)
    elif as_json:
        show(made, as_json=True)


@click.command()
@click.argument("dataset_id")
@click.option("--watch", "watching", is_flag=True, help="show progress until it has ended")
@output
@service
def status(client: MatteForge, dataset_id: str, watching: bool, as_json: bool, quiet: bool) -> None:
    """Show how far a dataset has got."""
    if watching:
        end(watch(client, dataset_id, quiet=quiet), as_json=as_json, quiet=quiet)
    else:
        show(client.get(dataset_id), as_json=as_json)


@click.command()
@click.argument("dataset_id")
@output
@service
def cancel(client: MatteForge, dataset_id: str, as_json: bool, quiet: bool) -> None:
    """Stop a dataset; its committed shards stay downloadable."""
    dataset = client.cancel(dataset_id)
    ended = "is cancelled" if dataset.state.terminal else "will be cancelled"
    click.echo(dataset.model_dump_json() if as_json else f"{dataset.id} {ended}")
