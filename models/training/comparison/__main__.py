"""The experiment's commands: labeller, train (an arm with a seed), table."""

import json
from pathlib import Path

import click
import numpy as np
import torch

from models.corpora.pairs import read_portraits
from models.networks.checkpoints.load import load_stylematte
from models.networks.stylematte import StyleMatte, preset
from models.scenes.backgrounds import list_photos
from models.training.comparison.arms import ARMS, GENERATOR_ARMS, extras
from models.training.comparison.portraits import SIZE, Portraits, mix, shrink, split_portraits
from models.training.comparison.scores import TUNED, score, table
from models.training.matting.train import MattingTraining, train_matting

SHARE, AGREEMENT = 50, 99  # per cent, percentile: the defaults, which no name of an arm tells
TUNING_RATE = 3e-4  # peak learning rate of arms that go on from the labeller
LABELLER_SEED = 100
PATH = click.Path(path_type=Path)
EXISTING = click.Path(path_type=Path, exists=True)
PERCENT = click.IntRange(1, 100)


@click.group("comparison")
@click.option("--out", type=PATH, required=True, help="Folder of the experiment.")
@click.pass_context
def main(context: click.Context, out: Path) -> None:
    """Compare what few labels, self-training and generated pairs give; see docs/reports/claim.md
    for the order of commands."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    context.obj = out


@main.command()
@click.option(
    "--data", type=EXISTING, required=True, help="Has train/ and val/ with tars of KEY.rgba.*"
)
@click.option("--labelled", default=20, show_default=True, help="Portraits that keep their alpha.")
@click.option("--steps", default=1200, show_default=True)
@click.option("--photos", type=EXISTING, multiple=True, help="Folders of pictures without people.")
@click.pass_obj
def labeller(out: Path, data: Path, labelled: int, steps: int, photos: tuple[Path, ...]) -> None:
    """Split the portraits and train the labeller on the few that have labels."""
    split_portraits(sorted((data / "train").glob("*.tar")), labelled, out)
    few = shrink(read_portraits([out / "labelled.tar"]))
    torch.manual_seed(LABELLER_SEED)
    options = _options(steps, LABELLER_SEED, MattingTraining.learning_rate)
    _train(options, few, data, out / "labeller", photos)


@main.command()
@click.argument("arm", type=click.Choice(ARMS))
@click.option("--seed", default=0, show_default=True)
@click.option("--steps", default=400, show_default=True)
@click.option("--share", default=SHARE, show_default=True, type=click.IntRange(1, 99),
              help="Per cent of others.")  # fmt: skip
@click.option("--agreement", default=AGREEMENT, show_default=True, type=PERCENT, help="Percentile.")
@click.option("--others", default=1500, show_default=True, help="Pictures beside the labelled.")
@click.option("--from-labeller", is_flag=True, help="Go on from the labeller, not from scratch.")
@click.option("--generator", type=EXISTING, help="Checkpoint of the arms that generate.")
@click.option("--data", type=EXISTING, required=True, help="For val/ only.")
@click.option("--test", "tests", type=EXISTING, multiple=True, required=True,
              help="Tars of held-out image.png and alpha.png.")  # fmt: skip
@click.option("--photos", type=EXISTING, multiple=True, help="Folders of pictures without people.")
@click.pass_obj
def train(
    out: Path,
    arm: str,
    seed: int,
    steps: int,
    share: int,
    agreement: int,
    others: int,
    from_labeller: bool,
    generator: Path | None,
    data: Path,
    tests: tuple[Path, ...],
    photos: tuple[Path, ...],
) -> None:
    """Train one arm with one seed, and score it on the held-out pairs."""
    if arm in GENERATOR_ARMS and generator is None:
        raise click.UsageError(f"the arm {arm} needs --generator")
    portraits = shrink(read_portraits([out / "labelled.tar"]))
    more = extras(arm, out, count=others, seed=seed, agreement=agreement, generator=generator)
    if more is not None:
        portraits = mix(portraits, more, share / 100)
    torch.manual_seed(seed)
    start = load_stylematte(out / "labeller" / "ema.safetensors") if from_labeller else None
    options = _options(steps, seed, TUNING_RATE if start else MattingTraining.learning_rate)
    variant = TUNED if from_labeller else ""
    variant += "" if share == SHARE else f"_{share}%"
    variant += "" if agreement == AGREEMENT else f"_p{agreement}"
    run = out / f"{arm}{variant}-{seed}"
    _train(options, portraits, data, run, photos, start)
    for test in tests:
        scores = score(load_stylematte(run / "ema.safetensors"), test)
        (run / f"scores-{test.stem}.json").write_text(json.dumps(scores) + "\n")
        means = " ".join(f"{name} {np.mean(values):.4f}" for name, values in scores.items())
        click.echo(f"{test.stem}: {means}")


@main.command(name="table")
@click.argument("test")
@click.option("--minus", type=click.Choice(ARMS), default="labelled", show_default=True,
              help="The arm that the others are compared with.")  # fmt: skip
@click.pass_obj
def show(out: Path, test: str, minus: str) -> None:
    """Print the table of all arms and seeds that were scored on TEST, a tar's name without .tar."""
    click.echo(table(out, test, minus))


def _options(steps: int, seed: int, rate: float) -> MattingTraining:
    return MattingTraining(
        steps=steps,
        seed=seed,
        sizes=(SIZE,),
        batch_pixels=16 * SIZE**2,
        background_size=96,
        background_count=800,
        photo_crops=500,
        learning_rate=rate,
    )


def _train(
    options: MattingTraining,
    portraits: Portraits,
    data: Path,
    run: Path,
    photos: tuple[Path, ...],
    start: StyleMatte | None = None,
) -> None:
    network = start or StyleMatte(preset("tiny"))
    held_out = shrink(read_portraits(sorted((data / "val").glob("*.tar"))))
    for scalars in train_matting(network, options, portraits, held_out, run, list_photos(photos)):
        if "val_mad" in scalars:
            shown = ("step", "total", "val_mad", "val_iou")
            click.echo(" ".join(f"{name} {scalars[name]:.4g}" for name in shown))


if __name__ == "__main__":
    main()
