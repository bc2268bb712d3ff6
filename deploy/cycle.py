"""`matteforge cycle`: one turn of the training cycle in the foreground, with stores of its own or a
service's."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from core.errors import MatteForgeError
from core.training.runs import TrainingRuns
from deploy.local.data_dir import DataDirInUse
from deploy.local.stack import Stack
from deploy.local.supervisor import StartFailed
from matteforge.cli.run_options import run_fields
from matteforge.cli.training import show_run
from matteforge.schemas.corpora import CorpusKind
from matteforge.schemas.training import RunState
from service.wire import run_out

SOURCE = click.Path(path_type=Path, exists=True)


@click.command()
@click.option("--domain", required=True, help="Name of the model.")
@click.option(
    "--pairs", type=SOURCE, multiple=True,
    help="Image-alpha pairs to be added first; as `corpora add`.",
)  # fmt: skip
@click.option(
    "--images", type=SOURCE, multiple=True,
    help="Pictures without alpha; default: the pairs' pictures.",
)  # fmt: skip
@click.option("--backgrounds", type=SOURCE, multiple=True, help="Photographs without subjects.")
@click.option("--licence", default="unknown", show_default=True, help="Of what is added.")
@run_fields
@click.option("--run", "run_id", help="Go on with this run instead.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("matteforge-data"),
    show_default=True,
    help="Stores are started on it, unless MATTEFORGE_S3_ENDPOINT names a service's.",
)
def cycle(
    domain: str,
    pairs: tuple[Path, ...],
    images: tuple[Path, ...],
    backgrounds: tuple[Path, ...],
    licence: str,
    preset: str,
    settings: dict[str, Any],
    run_id: str | None,
    data_dir: Path,
) -> None:
    """Train both networks of DOMAIN on each other's output and promote them if they are better.

    A domain that the package ships a bundle of, such as humans, goes on from that. Ctrl-C or a
    crash loses little: repeated with the same --domain, the run that has not ended goes on.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        with _stores(data_dir):
            _run(
                domain,
                {
                    CorpusKind.PAIRS: pairs,
                    CorpusKind.IMAGES: images,
                    CorpusKind.BACKGROUNDS: backgrounds,
                },
                licence,
                {"preset": preset, **settings},
                run_id,
            )
    except (DataDirInUse, StartFailed) as error:
        raise click.ClickException(str(error)) from error
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error


@contextmanager
def _stores(data_dir: Path) -> Iterator[None]:
    """Valkey and S3 on `data_dir` for the length of the block; those of the environment if it names
    some.

    The shipped bundles are published there: a domain of their name goes on from them.
    """
    if "MATTEFORGE_S3_ENDPOINT" in os.environ:
        yield
        return
    stack = Stack(data_dir)
    try:
        stack.start_stores()
        os.environ.update(stack.settings())
        yield
    finally:
        stack.stop()


def _run(
    domain: str,
    sources: dict[CorpusKind, tuple[Path, ...]],
    licence: str,
    options: dict[str, object],
    run_id: str | None,
) -> None:
    """Everything here is imported late: settings are read from the environment at import."""
    from workers.app import context
    from workers.cycle.order_run import run_of
    from workers.cycle.run_cycle import run_cycle

    running = context()
    running.catalog.store.probe()
    run_id = run_id or run_of(running.catalog.store, domain, sources, licence, options)
    runs = TrainingRuns(running.catalog.store)
    attempt_until(
        lambda: run_cycle(running, run_id),
        lambda: runs.view(run_id).state.terminal,
        running.settings.lease_ttl_s + 5,
    )
    view = runs.view(run_id)
    show_run(run_out(view, lambda stage, name: ""))
    if not view.state.terminal:
        raise click.ClickException(
            f"somebody else trains {domain}, or a store fails; go on with --run {run_id}"
        )
    if view.state is not RunState.COMPLETED:
        raise click.exceptions.Exit(1)


def attempt_until(
    attempt: Callable[[], None], settled: Callable[[], bool], patience_s: float
) -> None:
    """Attempt, and again each second until it is settled, but begin none later than `patience_s`
    after the first.

    A trainer that was killed leaves its lease behind for so long.
    """
    began_s = time.monotonic()
    attempt()
    if not settled():
        click.echo(f"waiting up to {patience_s:.0f} s for the lease of a trainer that may be dead")
    while not settled() and time.monotonic() - began_s < patience_s:
        time.sleep(1)
        attempt()
