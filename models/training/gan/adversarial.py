"""Train StyleMatteGAN, from a corpus to a generator: the program.

Under torchrun, over several processes, in step with each other.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from core.errors import CheckpointRejected
from matteforge.cli.run_options import parse_settings
from matteforge.cli.steps import Steps, working
from models.kernels.compile_notice import announce_compilation
from models.kernels.cpu_tuning import restart_tuned
from models.kernels.device import training_dtype
from models.networks.checkpoints.load import load_generator
from models.scenes.backgrounds import list_photos, photo_bank
from models.training import distributed
from models.training.gan.corpus import Corpus, read_corpus
from models.training.gan.labelling import stylematte_labeller
from models.training.gan.loop import GanTrainer, train, until_signalled
from models.training.gan.presets import PRESETS, GanPreset
from models.training.gan.regression import Regression
from models.training.gan.trainer import GanTraining
from models.training.gan.transfer import start_from

NAME = "gan"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
PATH = click.Path(exists=True, path_type=Path)


def real_backgrounds(
    path: Path, photos: Sequence[Path], size: int, count: int = 2000, seed: int = 0
) -> Tensor | None:
    """Crops of photographs to lay behind subjects, kept at `path`; None without photographs."""
    if not photos:
        return None
    crops = photo_bank(path, photos, count=count, size=size, seed=seed)
    return torch.from_numpy(crops.copy()).permute(0, 3, 1, 2)


@click.command()
@click.option("--run", "run", type=click.Path(path_type=Path), required=True, help="Its folder.")
@click.option(
    "--data", "--corpus", "data", type=PATH, help="Rendered people, or pairs in any layout."
)
@click.option("--matte", type=PATH, help="StyleMatte that labels smooth scenes of KEY.rgba.png.")
@click.option("--scenes", default=4, help="Smooth scenes of each KEY.rgba.png without an image.")
@click.option("--photos", type=PATH, multiple=True, help="Folder of backgrounds.")
@click.option(
    "--preset", "name", type=click.Choice(list(PRESETS)), default="portrait-128", show_default=True
)
@click.option(
    "--resume", type=PATH, multiple=True, help="Generator, state or both; default: the run's state."
)
@click.option(
    "--start",
    type=PATH,
    multiple=True,
    help="Generator, training state or both, of any resolution: a new run begins with what agrees.",
)
@click.option(
    "--regress", type=float, default=0.0, metavar="KIMG",
    help="A new run begins with a regression of that length. DATA's folders are kinds.",
)  # fmt: skip
@click.option("--kimg", type=float, help="Length of this stage; default: the preset's.")
@click.option("--lr", type=float, help="Generator's learning rate; default: the preset's.")
@click.option("--batch", type=int, help="Images a step, over all processes.")
@click.option(
    "--set", "settings", multiple=True, callback=parse_settings, metavar="FIELD=VALUE",
    help="Any other of the preset's.",
)  # fmt: skip
@click.option(
    "--precision",
    type=click.Choice(list(PRECISIONS)),
    help="Of the layers. [default: bfloat16 on cuda and on a CPU with AMX, else float32]",
)
@click.option("--seed", default=0)
@click.option("--save-every", default=300.0, help="Seconds between states.")
@click.option("--keep-every", type=float, metavar="KIMG", help="Generators kept in snapshots/.")
@click.option("--threads", default=1)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
def main(
    run: Path, data: Path | None, matte: Path | None, scenes: int, photos: tuple[Path, ...],
    name: str, resume: tuple[Path, ...], start: tuple[Path, ...], regress: float,
    kimg: float | None, lr: float | None, batch: int | None, settings: dict[str, Any],
    precision: str | None, seed: int, save_every: float, keep_every: float | None, threads: int,
    device: str,
) -> None:  # fmt: skip
    """Train StyleMatteGAN, or go on with it where RUN holds its state; RUN/gan.safetensors is the
    generator.

    DATA holds framed people, each scene with its alpha, as `matteforge render --framing aligned`
    writes them. Of cut-outs in tars (KEY.rgba.png alone) smooth scenes are made, faces aligned.
    """
    restart_tuned()
    announce_compilation()
    torch.set_num_threads(threads)
    named = {"total_kimg": kimg, "lr": lr, "batch": batch}
    preset = changed_preset(PRESETS[name], settings | _given(named))
    dtype = PRECISIONS[precision] if precision else training_dtype(device)
    with distributed.joined(device) as own:
        try:
            corpus = _corpus(run, data, matte, scenes, preset.resolution)
            backgrounds = real_backgrounds(
                run / "photos.npy", list_photos(photos), preset.resolution
            )
            trainer = GanTraining(
                corpus, preset, seed, backgrounds=backgrounds, device=own, dtype=dtype
            )
            new = not resume and not (run / f"{NAME}.state.safetensors").exists()
            for path in start if new else ():
                click.echo(start_from(trainer, path))
            go_on = until_signalled()  # from here on there is a state to save
            if new and regress and not regress_first(trainer, run, regress, save_every, go_on):
                return
            take_up(trainer, run, resume)
        except (ValueError, FileNotFoundError, CheckpointRejected) as error:
            raise click.ClickException(str(error)) from error
        options = {"seed": seed, "labels": matte.name if matte else "exact alpha"}
        images = {"began": trainer.first_image, "from_images": trainer.state.progress.images}
        entry = {"stage": NAME, **images, **options, **asdict(preset.adversarial)}
        trainer.state.progress.history.append(entry)
        last = trainer.first_image + preset.adversarial.total_kimg * 1000
        with shown(trainer, last, go_on) as goes_on:
            train(trainer, run, NAME, last, save_every, goes_on, 1000 * (keep_every or math.inf))


@contextmanager
def shown(
    trainer: GanTrainer, last_image: float, go_on: Callable[[GanTrainer], bool]
) -> Iterator[Callable[[GanTrainer], bool]]:
    """`go_on` with a bar that follows it."""
    begun = trainer.state.progress.images
    with Steps("images", int(last_image - begun), quiet=distributed.rank() > 0) as steps:

        def goes_on(trainer: GanTrainer) -> bool:
            steps.at(trainer.state.progress.images - begun)
            return go_on(trainer)

        yield goes_on


def regress_first(
    trainer: GanTraining,
    run: Path,
    kimg: float,
    save_every: float,
    go_on: Callable[[GanTrainer], bool],
) -> bool:
    """Runs the regression, or goes on with it; whether it has come to its end."""
    regression, state = Regression(trainer, kimg), run / "regression.state.safetensors"
    if state.exists():
        regression.state.load(state)
    last = 1000 * kimg
    with shown(regression, last, go_on) as goes_on:
        train(regression, run, "regression", last, save_every, goes_on)
    regression.hand_over()
    return regression.state.progress.images >= last


def _given(named: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in named.items() if value is not None}


def changed_preset(preset: GanPreset, changes: dict[str, Any]) -> GanPreset:
    """The preset with other settings. Raises BadParameter for a name or a value it can't have."""
    numbers = asdict(preset.adversarial)
    for name, value in changes.items():
        if name not in numbers:
            known = ", ".join(numbers)
            raise click.BadParameter(f"{name} is no setting: there are {known}", param_hint="--set")
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise click.BadParameter(f"{name} is a number, not {value!r}", param_hint="--set")
        changes[name] = type(numbers[name])(value)
    return replace(preset, adversarial=replace(preset.adversarial, **changes))


def _corpus(run: Path, data: Path | None, matte: Path | None, scenes: int, size: int) -> Corpus:
    """The run's corpus, made once: with a StyleMatte's labels if one is given, else exact alpha."""
    path = run / ("corpus.pt" if matte else "corpus-exact.pt")
    if path.exists():
        return Corpus.load(path)
    if data is None or distributed.count() > 1:
        raise click.UsageError("--data is needed to build the corpus, by one process alone")
    run.mkdir(parents=True, exist_ok=True)
    labeller = stylematte_labeller(matte) if matte else None
    with working("building the corpus"):
        corpus = read_corpus(data, size=size, scenes=scenes, labeller=labeller)
    corpus.save(path)
    return corpus


def take_up(trainer: GanTraining, run: Path, resume: Sequence[Path] = ()) -> None:
    """Goes on with the run's own state if there is one and nothing else is named, or begins at
    `resume`, one after the other: a generator leaves the discriminators as they are, a state all
    that it lacks.

    Raises CheckpointRejected for a file that is neither or of another shape.
    """
    own = run / f"{NAME}.state.safetensors"
    for path in resume or ([own] if own.exists() else []):
        try:
            trainer.state.load(path)
        except CheckpointRejected:
            begin_with(trainer, path)
        except RuntimeError as error:
            raise CheckpointRejected(f"{path} is of another preset: {error}") from error
    progress = trainer.state.progress
    stages = [entry for entry in progress.history if entry["stage"] == NAME]
    goes_on = not resume and stages
    trainer.first_image = stages[-1]["began"] if goes_on else progress.images


def begin_with(trainer: GanTraining, generator: Path) -> None:
    """Takes over a generator's weights. Raises CheckpointRejected when its shape is another."""
    loaded = load_generator(generator)
    if loaded.config != trainer.generator.config:
        raise CheckpointRejected(f"{generator.name} is of another preset")
    for network in (trainer.generator, trainer.averaged):
        network.load_state_dict(loaded.state_dict())


if __name__ == "__main__":
    main()
