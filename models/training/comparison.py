"""What generated pairs are worth to a matting network with few labels: three arms of equal
optimiser steps.

The claim of arXiv 2305.02981 at a size that a CPU can check. Some portraits have labels, the others
are pictures only. A labeller, trained on the few, labels the pictures; StyleMatteGAN learns them.
Each arm trains a StyleMatte, from scratch or (`--from-labeller`, as the cycle does) from the
labeller on: on the labelled alone; on them and the labelled pictures themselves (self-training); on
them and the generator's pairs that the labeller agrees with. All see the same backgrounds and the
same augmentation. Two more arms tell why an arm lost: the pictures with their exact alpha, which
nobody would have, what the labeller's errors cost; the labelled pictures and their alpha blurred,
what a generator's blur costs.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from models.corpora.foreground import straight_foreground
from models.corpora.pairs import read_pairs, read_portraits
from models.imaging.pixels import to_u8, to_unit
from models.imaging.tars import read_members
from models.imaging.tensors import pm1_to_u8, to_pm1
from models.metrics.bootstrap import mean_interval
from models.metrics.generator_card import sample
from models.metrics.matting import full_metrics
from models.networks.checkpoints.load import load_generator, load_stylematte
from models.networks.stylematte import StyleMatte, predict_alpha, preset
from models.scenes.backgrounds import list_photos
from models.training.gan.corpus import Corpus, build_corpus
from models.training.gan.warm_start import stylematte_labeller
from models.training.matting.train import MattingTraining, train_matting

SIZE = 64  # pixels: of the generator, and of every arm
GENERATED = 2000  # candidates of the generator, about as many as there are pictures
BLUR = 1.2  # pixels, Gaussian sigma of the arm `blurred`: as soft an alpha as the generator's
SHARE, AGREEMENT = (
    50,
    99,
)  # per cent: of others among the pictures; of exact pairs with which the labeller agrees less
MEASURES = ("sad", "mad", "grad", "conn")
TUNED, TUNING_RATE = (
    "_tuned",
    3e-4,
)  # of arms that go on from the labeller: in their names, and their peak rate
RESAMPLINGS = 2000

Portraits = NDArray[np.uint8]
"""Straight RGBA, uint8 [n, h, w, 4]."""


def split_portraits(tars: Iterable[Path], labelled: int, out: Path) -> None:
    """Writes `labelled.tar`, the portraits whose names hash smallest, and `unlabelled.tar`, the
    others."""
    members: dict[str, bytes] = {}
    for tar in tars:
        members |= {name: body for name, body in read_members(tar) if name.endswith(".rgba.png")}
    order = sorted(members, key=lambda name: hashlib.sha256(name.encode()).digest())
    for name, names in (("labelled", order[:labelled]), ("unlabelled", order[labelled:])):
        with tarfile.open(out / f"{name}.tar", "w") as archive:
            for member in sorted(names):
                _add(archive, member, members[member])


def self_training_pairs(corpus: Corpus) -> Portraits:
    """The pictures that the generator learned, one scene each, with the labeller's alpha;
    foreground estimated."""
    return with_own_colour(to_pm1(corpus.images[:: corpus.scenes_per_subject]))


def generated_pairs(
    generator_path: Path, labeller_path: Path, labelled: Path, seed: int, agreement: int = AGREEMENT
) -> tuple[Portraits, float]:
    """Samples at psi 1 that the labeller agrees with, foreground estimated; and the share that was
    accepted.

    agreement: percentile of the labeller's MAD on labelled pairs, framed as the generator's corpus,
    that is the limit.
    """
    exact, labeller = (
        build_corpus(labelled, scenes=2, seed=seed),
        stylematte_labeller(labeller_path),
    )
    limit = float(np.percentile(disagreement(to_pm1(exact.images), labeller), agreement))
    candidates = sample(load_generator(generator_path), GENERATED, 1.0, seed)
    accepted = torch.from_numpy(disagreement(candidates, labeller) <= limit)
    return with_own_colour(candidates[accepted]), float(accepted.float().mean())


def disagreement(rgba_pm1: Tensor, labeller: Callable[[Tensor], Tensor]) -> NDArray[np.float64]:
    """MAD between the alpha of each picture and the labeller's for its RGB; RGBA [n, 4, h, w] in
    [-1, 1] -> [n]."""
    theirs = torch.cat([labeller(part) for part in rgba_pm1[:, :3].split(32)])
    return ((rgba_pm1[:, 3:] + 1) / 2 - theirs).abs().mean(dim=(1, 2, 3)).double().numpy()


def with_own_colour(rgba_pm1: Tensor) -> Portraits:
    """Scenes with alpha, float32 [n, 4, h, w] in [-1, 1], as straight RGBA without a halo of their
    background."""
    scenes = pm1_to_u8(rgba_pm1).permute(0, 2, 3, 1).numpy()
    return np.stack([straight_foreground(scene[..., :3], scene[..., 3]) for scene in scenes])


def blurred(portraits: Portraits) -> Portraits:
    """Colour, weighted with alpha, and alpha through a Gaussian of BLUR pixels."""
    straight = to_unit(portraits)
    alpha = straight[..., 3:]
    soft = gaussian_filter(
        np.concatenate([straight[..., :3] * alpha, alpha], 3), (0, BLUR, BLUR, 0), mode="nearest"
    )
    colour = np.where(
        soft[..., 3:] > 1 / 255,
        soft[..., :3] / np.maximum(soft[..., 3:], 1 / 255),
        straight[..., :3],
    )
    return to_u8(np.concatenate([colour, soft[..., 3:]], 3))


def shrink(portraits: Portraits) -> Portraits:
    """To SIZE by the mean of blocks, colour weighted with alpha."""
    x = torch.from_numpy(portraits).permute(0, 3, 1, 2).float() / 255
    alpha = x[:, 3:]
    premultiplied = F.interpolate(torch.cat([x[:, :3] * alpha, alpha], 1), SIZE, mode="area")
    plain, small = F.interpolate(x[:, :3], SIZE, mode="area"), premultiplied[:, 3:]
    colour = torch.where(small > 1 / 255, premultiplied[:, :3] / small.clamp(min=1 / 255), plain)
    return pm1_to_u8(torch.cat([colour, small], 1) * 2 - 1).permute(0, 2, 3, 1).numpy()


def mix(labelled: Portraits, others: Portraits, share: float = 0.5) -> Portraits:
    """`share` of the pictures are others, each once; the rest are the labelled, again and again. 0
    < share < 1."""
    wanted = round(len(others) * (1 - share) / share)
    repeats = -(-wanted // len(labelled))
    return np.concatenate([np.tile(labelled, (repeats, 1, 1, 1))[:wanted], others])


def score(matte: StyleMatte, test: Path) -> dict[str, list[float]]:
    """Each measure of each held-out pair, shrunk to SIZE."""
    scores: dict[str, list[float]] = {name: [] for name in MEASURES}
    for _, image, alpha in read_pairs(test):
        both = torch.from_numpy(np.dstack([image, alpha])).permute(2, 0, 1)[None]
        small = F.interpolate(both, SIZE, mode="area")
        with torch.inference_mode():
            predicted = predict_alpha(matte, small[:, :3])[0]
        metrics = full_metrics(predicted.numpy(), small[:, 3].numpy())
        for name in MEASURES:
            scores[name].append(float(metrics[name][0]))
    return scores


def table(out: Path) -> str:
    """Markdown: each arm's mean and interval, and its paired difference to the labelled pairs
    alone."""
    found = sorted({path.parent.name.rpartition("-")[0] for path in out.glob("*/scores.json")})
    arms = sorted(found, key=lambda name: (ARMS.index(name.partition("_")[0]), name))
    runs = {arm: sorted(out.glob(f"{arm}-[0-9]*/scores.json")) for arm in arms}
    lines = ["| arm | seeds | " + " | ".join(MEASURES) + " |", "|---|---|" + "---|" * len(MEASURES)]
    scores = {
        arm: {m: np.array([json.loads(path.read_text())[m] for path in paths]) for m in MEASURES}
        for arm, paths in runs.items()
        if paths
    }
    for arm, values in scores.items():
        cells = [_cell(values[m]) for m in MEASURES]
        lines.append(f"| {arm} | {len(runs[arm])} | " + " | ".join(cells) + " |")
        alone = f"labelled{TUNED}" if TUNED in arm else "labelled"
        shared = min(len(runs[arm]), len(runs.get(alone, ())))
        if arm != alone and shared:
            paired = [_cell(values[m][:shared] - scores[alone][m][:shared]) for m in MEASURES]
            lines.append(f"| … minus {alone} | | " + " | ".join(paired) + " |")
    return "\n".join(lines)


def _cell(values: NDArray[np.float64]) -> str:
    """Mean over seeds and pairs [seeds, n] and its 95 % interval; both are drawn anew."""
    mean, low, high = mean_interval(values, seed=0, resamples=RESAMPLINGS)
    return f"{mean:.4f} [{low:.4f}, {high:.4f}]"


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _extras(arm: str, out: Path, seed: int, agreement: int) -> Portraits | None:
    if arm == "labelled":
        return None
    if arm in ("self-training", "blurred"):
        pairs = self_training_pairs(Corpus.load(out / "gan" / "corpus.pt"))
        return blurred(pairs) if arm == "blurred" else pairs
    if arm == "exact":
        return with_own_colour(
            to_pm1(build_corpus(out / "unlabelled.tar", scenes=1, seed=seed).images)
        )
    pairs, share = generated_pairs(
        out / "gan" / "warm-start.safetensors",
        out / "labeller" / "ema.safetensors",
        out / "labelled.tar",
        seed,
        agreement,
    )
    click.echo(f"{len(pairs)} generated pairs, {share:.1%} of the candidates")
    return pairs


ARMS = ("labelled", "self-training", "blurred", "generated", "exact")
PATH = click.Path(path_type=Path)
EXISTING = click.Path(path_type=Path, exists=True)


@click.group("comparison")
@click.option("--out", type=PATH, required=True, help="Folder of the experiment.")
@click.pass_context
def main(context: click.Context, out: Path) -> None:
    """Compare what few labels, self-training and generated pairs give; see docs/reports/cycle.md
    for the order of commands."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    context.obj = out


@main.command()
@click.option(
    "--data", type=EXISTING, required=True, help="Has train/ and val/ with tars of KEY.rgba.png."
)
@click.option("--labelled", default=200, show_default=True, help="Portraits that keep their alpha.")
@click.option("--steps", default=2000, show_default=True)
@click.option("--photos", type=EXISTING, multiple=True, help="Folders of pictures without people.")
@click.pass_obj
def labeller(out: Path, data: Path, labelled: int, steps: int, photos: tuple[Path, ...]) -> None:
    """Split the portraits and train the labeller on the few that have labels, at 64 to 128 px."""
    split_portraits(sorted((data / "train").glob("*.tar")), labelled, out)
    few, held_out = (
        read_portraits([out / "labelled.tar"]),
        read_portraits(sorted((data / "val").glob("*.tar"))),
    )
    torch.manual_seed(100)
    options = MattingTraining(steps=steps, seed=100)
    _train(options, few, held_out, out / "labeller", photos)


@main.command()
@click.argument("arm", type=click.Choice(ARMS))
@click.option("--seed", default=0, show_default=True)
@click.option("--steps", default=2500, show_default=True)
@click.option(
    "--share",
    default=SHARE,
    show_default=True,
    type=click.IntRange(1, 99),
    help="Per cent of others.",
)
@click.option(
    "--agreement",
    default=AGREEMENT,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Percentile.",
)
@click.option(
    "--from-labeller", is_flag=True, help="Go on from the labeller instead of from scratch."
)
@click.option("--data", type=EXISTING, required=True, help="For val/ only.")
@click.option(
    "--test", type=EXISTING, required=True, help="Tar of held-out image.png and alpha.png."
)
@click.option("--photos", type=EXISTING, multiple=True, help="Folders of pictures without people.")
@click.pass_obj
def train(
    out: Path,
    arm: str,
    seed: int,
    steps: int,
    share: int,
    agreement: int,
    from_labeller: bool,
    data: Path,
    test: Path,
    photos: tuple[Path, ...],
) -> None:
    """Train one arm with one seed, and score it on the held-out pairs."""
    portraits = shrink(read_portraits([out / "labelled.tar"]))
    extras = _extras(arm, out, seed, agreement)
    if extras is not None:
        portraits = mix(portraits, extras, share / 100)
    torch.manual_seed(seed)
    options = MattingTraining(
        steps=steps,
        seed=seed,
        sizes=(SIZE,),
        batch_pixels=16 * SIZE**2,
        background_size=96,
        background_count=800,
        photo_crops=500,
        learning_rate=TUNING_RATE if from_labeller else MattingTraining.learning_rate,
    )
    held_out = shrink(read_portraits(sorted((data / "val").glob("*.tar"))))
    variant = TUNED if from_labeller else ""
    variant += "" if share == SHARE else f"_{share}%"
    variant += "" if agreement == AGREEMENT else f"_p{agreement}"
    run = out / f"{arm}{variant}-{seed}"
    network = load_stylematte(out / "labeller" / "ema.safetensors") if from_labeller else None
    _train(options, portraits, held_out, run, photos, network)
    scores = score(load_stylematte(run / "ema.safetensors"), test)
    (run / "scores.json").write_text(json.dumps(scores) + "\n")
    click.echo(" ".join(f"{name} {np.mean(values):.4f}" for name, values in scores.items()))


@main.command(name="table")
@click.pass_obj
def show(out: Path) -> None:
    """Print the table of all arms and seeds that have run."""
    click.echo(table(out))


def _train(
    options: MattingTraining,
    portraits: Portraits,
    held_out: Portraits,
    run: Path,
    photos: tuple[Path, ...],
    network: StyleMatte | None = None,
) -> None:
    network = network or StyleMatte(preset("tiny"))
    for scalars in train_matting(network, options, portraits, held_out, run, list_photos(photos)):
        if "val_mad" in scalars:
            click.echo(
                " ".join(
                    f"{name} {scalars[name]:.4g}"
                    for name in ("step", "total", "val_mad", "val_iou")
                )
            )


if __name__ == "__main__":
    main()
