"""`matteforge fsck`: check what is stored, and mend what can be made anew."""

from pathlib import Path

import click


@click.command()
@click.option("--repair", is_flag=True, help="Make lost shards anew, remove orphans of datasets.")
@click.option("--rate", default=100.0, show_default=True, help="MB a second to read at most.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Remember in this file how far the check is; start again behind it.",
)
def fsck(repair: bool, rate: float, resume: Path | None) -> None:
    """Account for every object in the bucket and hash every shard, bundle and corpus again.

    Prints one line for each object that is not as it should be, and exits with 1 when some are left
    so. A dataset with a hole says `damaged` in the API until a later check finds it whole.
    """
    from core.errors import MatteForgeError
    from matteforge.cli.steps import Steps
    from workers.app import context
    from workers.fsck.check import check
    from workers.fsck.findings import Pace

    if rate <= 0:
        raise click.BadParameter("the rate is MB a second, above 0", param_hint="--rate")
    found = left = 0
    try:
        pace, steps = Pace(rate * 1e6), Steps("datasets")
        for finding in check(context(), pace, repair=repair, resume=resume, follow=steps.each):
            found, left = found + 1, left + (not finding.repaired)
            click.echo(str(finding))
    except MatteForgeError as error:
        raise click.ClickException(error.detail) from error
    click.echo(f"{found} objects were not as they should be; {found - left} repaired, {left} left")
    if left:
        raise SystemExit(1)
