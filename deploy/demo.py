"""`matteforge demo`: the whole service, one order, and what came of it."""

import hashlib
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from deploy.local.data_dir import DataDirInUse
from deploy.local.stack import Stack
from deploy.local.supervisor import StartFailed
from matteforge.calls import OrderOptions
from matteforge.client import MatteForge
from matteforge.schemas.attributes import VOCABULARIES
from matteforge.schemas.datasets import DatasetOut, DatasetState
from models.renderer.availability import available
from workers.shards.contact_sheet import draw_contact_sheet
from workers.shards.read import DeliveredSample, read_shard

SHARD_SIZE = 16
RENDERED_PX = 128
PATIENCE_S = 1800.0


@click.command()
@click.option(
    "--count",
    type=click.IntRange(1, 10_000),
    default=64,
    show_default=True,
    help="Portraits to order.",
)
@click.option(
    "--domain",
    type=click.Choice(list(VOCABULARIES)),
    default=next(iter(VOCABULARIES)),
    show_default=True,
    help="What is in the pictures: the model of this name, or rendered subjects.",
)
@click.option(
    "--source",
    type=click.Choice(["generated", "rendered"]),
    default="generated",
    show_default=True,
    help="StyleMatteGAN or the renderer.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-output"),
    show_default=True,
)
@click.option(
    "--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Default: a temporary one."
)
def demo(count: int, domain: str, source: str, seed: int, out: Path, data_dir: Path | None) -> None:
    """Start everything for real, order portraits, download and check them, draw
    OUT/contact-sheet.png, stop."""
    began_s = time.monotonic()
    if source == "rendered" and (missing := available(domain)):
        raise click.ClickException(f"{domain} can't be rendered here: {missing}")
    with ExitStack() as cleanup:
        folder = data_dir or Path(
            cleanup.enter_context(TemporaryDirectory(prefix="matteforge-demo-"))
        )
        try:
            click.echo("starting Valkey, S3, API, workers, beat and Flower …")
            stack = cleanup.enter_context(Stack(folder))
        except (DataDirInUse, StartFailed) as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"ready after {time.monotonic() - began_s:.1f} s at {stack.url}")
        with MatteForge(stack.url, stack.api_key) as client:
            options = order_options(domain, source, [model.name for model in client.models()])
            dataset = _order(client, count, seed, options)
            samples = _fetch(client, dataset, out)
    draw_contact_sheet(samples, out / "contact-sheet.png")
    click.echo(
        f"{len(samples)} samples and {out / 'contact-sheet.png'} after "
        f"{time.monotonic() - began_s:.0f} s"
    )


def order_options(domain: str, source: str, models: Sequence[str]) -> OrderOptions:
    """What an order of a domain says beside its count. Raises click.ClickException where nothing
    can be generated of it, since no model has its name."""
    if source == "rendered":
        known: OrderOptions = {"model": domain} if domain in models else {}
        return {"source": "rendered", "domain": domain, "size": RENDERED_PX, **known}
    if domain not in models:
        raise click.ClickException(
            f"no model {domain!r} is shipped; there are {', '.join(models)}. Train one "
            "(docs/howto/train-animals.md shows how a domain is trained), or draw rendered ones: "
            f"matteforge demo --domain {domain} --source rendered"
        )
    return {"model": domain, "shard_size": SHARD_SIZE}


def _order(client: MatteForge, count: int, seed: int, options: OrderOptions) -> DatasetOut:
    ordered = client.order(count, **(options | {"seed": seed}))
    kind = f"{options.get('source', 'generated')} {options.get('domain') or options['model']}"
    click.echo(f"ordered {ordered.id}: {count} portraits, {kind}, seed {seed}")
    seen: list[str] = []

    def show(dataset: DatasetOut) -> None:
        counts = dataset.counts
        line = (
            f"  {dataset.state.value:10} {counts.accepted:>5}/{counts.requested} accepted of "
            f"{counts.attempted} tried, "
            f"{counts.shards_done}/{counts.shards_total} shards"
        )
        if line not in seen[-1:]:
            seen.append(line)
            left = f", {dataset.eta_s:.0f} s left" if dataset.eta_s else ""
            click.echo(line + left)

    dataset = client.wait(ordered.id, show, poll_s=0.5, timeout_s=PATIENCE_S)
    if dataset.state is not DatasetState.COMPLETED:
        why = f": {dataset.error.code}: {dataset.error.detail}" if dataset.error else ""
        raise click.ClickException(f"the dataset is {dataset.state.value}{why}")
    rejected = (
        ", ".join(f"{number} by {name}" for name, number in sorted(dataset.counts.rejected.items()))
        or "none"
    )
    click.echo(f"rejected: {rejected}")
    return dataset


def _fetch(client: MatteForge, dataset: DatasetOut, out: Path) -> list[DeliveredSample]:
    """Download every shard, and compare what arrived with what was promised."""
    listed = {shard.name: shard for shard in client.shards(dataset.id)}
    paths = client.download(dataset.id, out)
    samples: list[DeliveredSample] = []
    for path in paths:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != listed[path.name].sha256:
            raise click.ClickException(
                f"{path.name} has sha256 {digest}, the service says {listed[path.name].sha256}"
            )
        samples += read_shard(path)
        click.echo(f"  {path}  sha256 {digest[:16]}… right, {listed[path.name].samples} samples")
    keys = {sample.record.key for sample in samples}
    if not len(keys) == len(samples) == dataset.counts.requested:
        raise click.ClickException(
            f"{len(samples)} samples with {len(keys)} keys, {dataset.counts.requested} ordered"
        )
    return samples
