"""`matteforge bench`. Torch is imported when it runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from matteforge.cli.steps import Steps
from models.kernels.cpu_tuning import restart_tuned

if TYPE_CHECKING:
    from workers.bench.cases import Row

GENERATORS = ("t64", "t128", "t256", "embedded-64", "paper-512", "paper-1024")
CASES = (*GENERATORS, "tiny-128", "swin-t-512", "discriminator", "threads", "engine")
DEFAULT = {
    "cpu": ("t64", "t128", "embedded-64", "swin-t-512", "engine"),
    "cuda": (
        "t64",
        "t128",
        "t256",
        "embedded-64",
        "paper-512",
        "paper-1024",
        "discriminator",
        "swin-t-512",
        "engine",
    ),
}
ENGINE_BATCH = 64  # of an order for cards at the shipped generator's size, beside 8
BATCHES = {"t256": 2, "paper-512": 1, "paper-1024": 1, "discriminator": 2}  # on a CPU; else 8
CUDA_BATCHES = {"discriminator": 64}
COST_S = {  # about, on a CPU: forward, with backward. What the bar's end is reckoned from
    "t64": (16, 19),
    "t128": (28, 80),
    "t256": (46, 129),
    "embedded-64": (1, 2),
    "paper-512": (150, 450),
    "paper-1024": (300, 900),
    "tiny-128": (1, 0),
    "swin-t-512": (11, 0),
    "discriminator": (3, 0),
    "threads": (60, 0),
    "engine": (9, 0),
}


@click.command()
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option(
    "--case",
    "cases",
    multiple=True,
    type=click.Choice(CASES),
    help="Repeatable; default: by device.",
)
@click.option(
    "--rounds",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="In which variants take turns.",
)
@click.option(
    "--batch", type=click.IntRange(1), help="Samples a batch; default: 8, less where they are big."
)
@click.option(
    "--training/--no-training",
    default=True,
    show_default=True,
    help="Measure backward passes as well.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the results here.",
)
@click.option(
    "--check",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file of --json: fail if worse.",
)
@click.option(
    "--tolerance",
    default=0.25,
    show_default=True,
    help="Share by which a checked ratio may be worse.",
)
@click.option("--quiet", is_flag=True, help="Nothing but results: no bar.")
def bench(
    device: str,
    cases: tuple[str, ...],
    rounds: int,
    batch: int | None,
    training: bool,
    json_file: Path | None,
    check: Path | None,
    tolerance: float,
    quiet: bool,
) -> None:
    """Measure this machine: ratios against the textbook's operations, and what the engine adds to
    its networks.

    On a CPU processor time on one thread, on CUDA wall time. Variants take turns, so ratios hold on
    a busy machine.
    """
    restart_tuned()
    import torch

    from workers.bench import report

    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if chosen == "cuda" and not torch.cuda.is_available():
        raise click.ClickException("torch sees no CUDA device; --device cpu measures the processor")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    parts = _parts(cases or DEFAULT[chosen], chosen, batch, training)
    rows = list(_rows(parts, chosen, rounds, quiet))
    click.echo(report.ratios_table(rows))
    if json_file is not None:
        json_file.write_text(
            json.dumps(report.to_json(rows, device=chosen, rounds=rounds), indent=1) + "\n"
        )
    if check is not None and (
        worse := report.regressions(rows, report.load_rows(check), tolerance=tolerance)
    ):
        raise click.ClickException("worse than recorded:\n" + "\n".join(worse))


class _Part(NamedTuple):
    """One measurement, which gives one row."""

    case: str
    batch: int
    backward: bool = False

    @property
    def cost_s(self) -> int:
        return COST_S[self.case][self.backward]


def _parts(cases: tuple[str, ...], device: str, batch: int | None, training: bool) -> list[_Part]:
    parts = []
    for name in cases:
        size = batch or (BATCHES.get(name, 8) if device == "cpu" else CUDA_BATCHES.get(name, 8))
        parts.append(_Part(name, size))
        if name in GENERATORS and training:
            parts.append(_Part(name, size, backward=True))
        if name == "engine" and not batch and device == "cuda":
            parts.append(_Part(name, ENGINE_BATCH))
    return parts


def _rows(parts: list[_Part], device: str, rounds: int, quiet: bool) -> Iterator["Row"]:
    """Rows as they are ready, each told; a bar by what the parts cost."""
    done_s, all_s = 0, sum(part.cost_s for part in parts)
    with Steps("% of the work", 100, quiet=quiet) as steps:
        for part in parts:
            if row := _measure(part, device, rounds):
                click.echo(f"{row.case}: " + ", ".join(f"{r.name} {r}" for r in row.ratios))
                yield row
            done_s += part.cost_s
            steps.at(100 * done_s // all_s)


def _measure(part: _Part, device: str, rounds: int) -> "Row | None":
    """None: there is too little memory for it, which is told."""
    import torch

    from models import shipped_bundle
    from workers.bench import cases as case
    from workers.bench import threads
    from workers.bench.discriminator import measure_discriminator
    from workers.generate.generated_sampler import GeneratedSampler

    name, batch, backward = part
    if name in GENERATORS:
        try:
            return case.measure_generator(
                name, device=device, batch=batch, rounds=rounds, training=backward
            )
        except torch.OutOfMemoryError as error:
            click.echo(f"{name} in batches of {batch} is left out: {error}", err=True)
            return None
    if name == "threads":
        return threads.measure_threads(rounds=rounds)
    if name == "discriminator":
        return measure_discriminator(device=device, batch=batch, rounds=rounds)
    if name == "engine":
        engine = GeneratedSampler.from_folder(shipped_bundle(), device=device)
        return case.measure_engine(engine, device=device, batch=batch, rounds=rounds)
    return case.measure_stylematte(name, device=device, rounds=rounds)
