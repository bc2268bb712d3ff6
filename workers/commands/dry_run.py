"""`matteforge corpora add --dry-run`: what would be paired with what, and what is left out."""

from functools import partial
from pathlib import Path

import click

from matteforge.cli.steps import Steps
from matteforge.schemas.corpora import CorpusKind
from models.corpora.members import Source
from models.corpora.pairing import Entry
from models.corpora.preview import preview
from models.corpora.reader import count_entries
from models.corpora.validate import Sample
from models.imaging.sheets import save_sheet

LISTED = 20  # samples, and files of each reason


def tell(
    source: Path | Source,
    kind: CorpusKind,
    *,
    within: str,
    max_side: int,
    premultiplied: bool | None,
    sheet: Path | None,
) -> None:
    """Print each of the first samples and what is left out by reason; draw the sheet if asked
    for."""
    count = 0

    def line(entry: Entry, sample: Sample) -> None:
        nonlocal count
        count += 1
        if count <= LISTED:
            click.echo(_line(entry, sample))

    with Steps("files", partial(count_entries, source, kind)) as steps:
        found = preview(
            source,
            kind,
            max_side,
            within=within,
            premultiplied=premultiplied,
            on_sample=line,
            on_entry=steps.step,
        )
    if count > LISTED:
        click.echo(f"... and {count - LISTED} more")
    for note, number in found.notes.most_common():
        click.echo(f"read as {note}: {number}")
    for reason, names in sorted(found.left_out.items(), key=lambda each: -len(each[1])):
        more = f", ... and {len(names) - LISTED} more" if len(names) > LISTED else ""
        click.echo(f"left out, {reason}: {len(names)}: {', '.join(names[:LISTED])}{more}")
    left_out = sum(map(len, found.left_out.values()))
    click.echo(f"{found.usable} usable {kind}, {left_out} left out; nothing was stored")
    if sheet is not None and found.sheet is not None:
        save_sheet(sheet, found.sheet)
        click.echo(f"the first of them: {sheet}")


def _line(entry: Entry, sample: Sample) -> str:
    if sample.alpha is None:
        partner = ""
    elif entry.alpha_name:
        partner = f" + {entry.alpha_name}"
    else:
        partner = " (alpha in itself)"
    kept = " as the subject's own colour" if entry.straight else ""
    notes = f" [{', '.join(sample.notes)}]" if sample.notes else ""
    height, width = sample.rgb.shape[:2]
    return f"{entry.name}{partner}{kept}: {width} x {height}{notes}"
