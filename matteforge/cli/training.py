"""`matteforge training start | list | status | curves | cancel`."""

import uuid
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from matteforge.cli.connection import service
from matteforge.cli.progress import with_bar
from matteforge.cli.run_options import run_options
from matteforge.client import MatteForge
from matteforge.schemas.training import RunState, TrainingRunOut


@click.group()
def training() -> None:
    """Start, follow and cancel training runs of a service."""


@training.command()
@click.argument("domain")
@run_options
@click.option("--watch", is_flag=True, help="show progress until it has ended")
@service
def start(
    client: MatteForge, domain: str, settings: dict[str, Any], watch: bool, **options: Any
) -> None:
    """One turn of the cycle for DOMAIN, the model's name. Prints the run's id."""
    key = str(uuid.uuid4())
    run = client.training.order(domain, idempotency_key=key, **options, **settings)
    click.echo(run.id)
    if watch:
        _watch(client, run.id)


@training.command("list")
@click.option("--domain")
@service
def list_(client: MatteForge, domain: str | None) -> None:
    """Runs, newest first."""
    for run in client.training.list(domain=domain):
        click.echo(
            f"{run.id}  {run.spec.domain:16} {run.state.value:10} {run.created_at:%Y-%m-%d %H:%M}  "
            f"{_outcome(run)}"
        )


@training.command()
@click.argument("run_id")
@click.option("--watch", is_flag=True, help="show progress until it has ended")
@service
def status(client: MatteForge, run_id: str, watch: bool) -> None:
    """Show how far a run has got."""
    if watch:
        _watch(client, run_id)
    else:
        show_run(client.training.get(run_id))


@training.command()
@click.argument("run_id")
@click.option("--stage", help="only this one, e.g. adversarial")
@click.option("--json", "as_json", is_flag=True, help="every point, for programs")
@service
def curves(client: MatteForge, run_id: str, stage: str | None, as_json: bool) -> None:
    """Show how losses and other scalars went: first, least and last."""
    found = client.training.curves(run_id, stage=stage)
    if as_json:
        for log in found:
            click.echo(log.model_dump_json())
        return
    table = Table("stage", "log", "curve", "steps", "first", "least", "last", box=None)
    for log in found:
        for curve in log.curves:
            values = (curve.values[0], min(curve.values), curve.values[-1])
            told = [f"{value:.5g}" for value in values]
            table.add_row(log.stage, log.log, curve.name, str(curve.steps[-1]), *told)
    Console().print(table if found else "nothing was trained yet")


@training.command()
@click.argument("run_id")
@service
def cancel(client: MatteForge, run_id: str) -> None:
    """End a run; nothing is promoted."""
    client.training.cancel(run_id)
    click.echo(f"{run_id} will be cancelled")


def show_run(run: TrainingRunOut) -> None:
    """A table of stages, the newest lines and the outcome."""
    table = Table("stage", "state", "done", "seconds", "left", box=None)
    for stage in run.stages:
        seconds = "" if stage.seconds is None else f"{stage.seconds:.0f}"
        left = "" if stage.eta_s is None else f"{stage.eta_s:.0f} s"
        table.add_row(stage.stage, stage.state, f"{stage.fraction:.0%}", seconds, left)
    console = Console()
    console.print(f"{run.id} {run.spec.domain} {run.state.value}")
    console.print(table)
    for line in run.log[-5:]:
        console.print(line, markup=False)
    if outcome := _outcome(run):
        console.print(outcome, markup=False)


def _outcome(run: TrainingRunOut) -> str:
    if run.error:
        return f"{run.error.code}: {run.error.detail}"
    if run.decision is None:
        return ""
    return "\n".join(["promoted" if run.promoted else "not promoted", *run.decision.told()])


def _watch(client: MatteForge, run_id: str) -> None:
    shown: list[str] = []

    def tell(bars: Progress, bar: TaskID, run: TrainingRunOut) -> None:
        now = next((stage for stage in run.stages if stage.state == "running"), None)
        left = "" if now is None or now.eta_s is None else f", {now.eta_s:.0f} s of it left"
        done = sum(stage.fraction for stage in run.stages)
        told = f"{run.state}{left}" if now is None else f"{now.stage} {now.fraction:.0%}{left}"
        bars.update(bar, description=told, completed=int(done), total=len(run.stages))
        for line in run.log:
            if line not in shown:
                shown.append(line)
                click.echo(line)

    goes_on = (
        f"{run_id} goes on: `matteforge training status {run_id} --watch` follows it again, "
        f"`matteforge training cancel {run_id}` stops it"
    )
    run = with_bar(lambda heard: client.training.wait(run_id, heard), tell, goes_on)
    show_run(run)
    if run.state is not RunState.COMPLETED:
        raise click.exceptions.Exit(1)
