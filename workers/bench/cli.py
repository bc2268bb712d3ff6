"""`matteforge bench`. Torch is imported when it runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

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
BATCHES = {"t256": 2, "paper-512": 1, "paper-1024": 1}  # on a CPU; 8 elsewhere


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
def bench(
    device: str,
    cases: tuple[str, ...],
    rounds: int,
    batch: int | None,
    training: bool,
    json_file: Path | None,
    check: Path | None,
    tolerance: float,
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
    rows = []
    for row in _measure(cases or DEFAULT[chosen], chosen, rounds, batch, training):
        click.echo(f"{row.case}: " + ", ".join(f"{r.name} {r}" for r in row.ratios), err=True)
        rows.append(row)
    click.echo(report.ratios_table(rows))
    if json_file is not None:
        json_file.write_text(
            json.dumps(report.to_json(rows, device=chosen, rounds=rounds), indent=1) + "\n"
        )
    if check is not None and (
        worse := report.regressions(rows, report.load_rows(check), tolerance=tolerance)
    ):
        raise click.ClickException("worse than recorded:\n" + "\n".join(worse))


def _measure(
    cases: tuple[str, ...], device: str, rounds: int, batch: int | None, training: bool
) -> Iterator["Row"]:
    import torch

    from models import shipped_bundle
    from workers.bench import cases as case
    from workers.bench import threads
    from workers.bench.discriminator import measure_discriminator
    from workers.generate.generated_sampler import GeneratedSampler

    for name in cases:
        size = batch or (BATCHES.get(name, 8) if device == "cpu" else 8)
        if name in GENERATORS:
            for backward in (False, True) if training else (False,):
                try:
                    yield case.measure_generator(
                        name, device=device, batch=size, rounds=rounds, training=backward
                    )
                except torch.OutOfMemoryError as error:
                    click.echo(f"{name} in batches of {size} is left out: {error}", err=True)
        elif name == "threads":
            yield threads.measure_threads(rounds=rounds)
        elif name == "discriminator":
            each = batch or {"cpu": 2, "cuda": 64}[device]
            yield measure_discriminator(device=device, batch=each, rounds=rounds)
        elif name == "engine":
            engine = GeneratedSampler.from_folder(shipped_bundle(), device=device)
            for each in (size,) if batch or device == "cpu" else (size, ENGINE_BATCH):
                yield case.measure_engine(engine, device=device, batch=each, rounds=rounds)
        else:
            yield case.measure_stylematte(name, device=device, rounds=rounds)
