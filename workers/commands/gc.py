"""`matteforge gc`: remove what nobody needs any more."""

from datetime import timedelta

import click


@click.command()
@click.option(
    "--apply", "applied", is_flag=True, help="Remove it. Without this nothing is changed."
)
@click.option(
    "--grace-hours",
    default=24.0,
    show_default=True,
    type=click.FloatRange(0),
    help="What was not deleted by anybody is removed if it was unused for so long.",
)
def gc(applied: bool, grace_hours: float) -> None:
    """List what no dataset, alias, corpus or training run needs: expired datasets, what deletions
    left, bundles and corpus shards that nothing names, old audit lines.

    With --apply it is removed. What might only be about to be used must have been found unused by
    an earlier `gc --apply`, at least the grace before.
    """
    from core.datasets.dataset import utcnow
    from core.errors import MatteForgeError
    from matteforge.cli.steps import Steps
    from workers.app import context
    from workers.gc import collect, find

    now, found, gone = utcnow(), 0, 0
    grace, steps = timedelta(hours=grace_hours), Steps("datasets")
    try:
        pairs = (
            collect(context(), now, grace=grace, follow=steps.each)
            if applied
            else ((garbage, False) for garbage in find(context(), now, steps.each))
        )
        for garbage, removed in pairs:
            found, gone = found + 1, gone + removed
            word = "removed" if removed else "waits" if applied else "unused"
            click.echo(f"{word:8} {garbage.key}  ({garbage.why})")
    except MatteForgeError as error:
        raise click.ClickException(f"{error.detail}; nothing more is removed") from error
    done = f"{gone} removed" if applied else "nothing is changed without --apply"
    click.echo(f"{found} unused; {done}")
