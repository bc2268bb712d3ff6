"""What can be said of a generator in figures and one picture: for the bundle's card."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from models.imaging.tensors import to_pm1
from models.metrics.frechet import (
    VIEWS,
    FeatureNetwork,
    compare,
    frechet_distance,
    moments,
    over_grey,
    pooled_features,
)
from models.metrics.memorisation import memorisation_report, nearest, signatures
from models.networks.checkpoints.load import load_generator, load_stylematte
from models.networks.frozen_features import FrozenResNet
from models.networks.stylegan3 import Generator
from models.networks.stylematte import StyleMatte
from models.networks.stylematte.encoder_features import EncoderFeatures
from models.training.gan.corpus import Corpus, Labeller, read_corpus
from models.training.gan.labelling import stylematte_labeller
from models.training.gan.state import composite_over_checker, write_grid

BATCH = 8
SHEET_SIDE = 8


@torch.no_grad()
def sample_images(generator: Generator, count: int, psi: float, seed: int) -> Tensor:
    """`count` unfiltered images from z of a seed: float32 [count, 4, h, w], clamped to [-1, 1], on
    the CPU."""
    rng, device = torch.Generator().manual_seed(seed), next(generator.parameters()).device
    z = torch.randn(count, generator.mapping.z_dim, generator=rng).to(device)
    return torch.cat([generator.sample(part, psi).cpu() for part in torch.split(z, BATCH)]).clamp(
        -1, 1
    )


def describe_generator(
    generator: Generator,
    corpus: Corpus,
    held_out: Corpus,
    *,
    count: int = 1000,
    psi: float = 0.7,
    seed: int = 12345,
    matte: StyleMatte | None = None,
) -> dict[str, Any]:
    """Frechet distance, precision and recall, of RGB over grey and of alpha, at psi and psi 1;
    nearest training images.

    By feature network: the frozen ResNet, and a StyleMatte's encoder if one is given. Beside them:
    two halves of the real images against each other, and their mean image against them. Pixel
    distances favour blur: the mean image's own is the reference for that. Every set has the same
    number of images: at most `count`, and half of the subjects.
    """
    resnet = FrozenResNet()
    networks: dict[str, FeatureNetwork] = {"resnet": resnet}
    if matte is not None:
        networks["stylematte"] = EncoderFeatures(matte)
    subjects = to_pm1(corpus.images[:: corpus.scenes_per_subject])
    order = torch.randperm(len(subjects), generator=torch.Generator().manual_seed(seed))
    size = min(count, len(subjects) // 2)
    first, second = subjects[order[:size]], subjects[order[size : 2 * size]]
    unseen = to_pm1(held_out.images[:: held_out.scenes_per_subject])
    mean_image = subjects.mean(0, keepdim=True).expand(2, -1, -1, -1)
    training = signatures(resnet, torch.cat([subjects, subjects.flip(3)]))
    held_out_signatures = signatures(resnet, unseen)
    fakes = {
        name: sample_images(generator, size, value, seed)
        for name, value in (("psi_1", 1.0), (f"psi_{psi:g}", psi))
    }
    report: dict[str, Any] = {"images_a_set": size, "seed": seed, "held_out_subjects": len(unseen)}
    report["mean_image_nearest_pixels"] = float(
        nearest(over_grey(mean_image).flatten(1), training.pixels)[0][0]
    )
    report["distances"] = {
        name: distances(network, {"real_against_real": first, **fakes}, second, mean_image, seed)
        for name, network in networks.items()
    }
    for name, images in fakes.items():
        report[name] = {
            "nearest_training_image": memorisation_report(
                signatures(resnet, images), held_out_signatures, training
            ),
            "spread": {"samples": _spread(images), "real": _spread(first)},
            "sharpness": {"samples": sharpness(images), "real": sharpness(first)},
            "soft_alpha": {"samples": soft_share(images), "real": soft_share(first)},
        }
    return report


def distances(
    network: FeatureNetwork, sets: Mapping[str, Tensor], real: Tensor, mean_image: Tensor, seed: int
) -> dict[str, Any]:
    """By view, how far each set of images is from the real ones; all RGBA [n, 4, h, w] in [-1,
    1]."""
    report: dict[str, Any] = {}
    for view, see in VIEWS.items():
        reals = pooled_features(network, see(real))
        flat = moments(pooled_features(network, see(mean_image)))
        report[view] = {
            "mean_image_frechet": frechet_distance(flat, moments(reals)),
            **{
                name: compare(pooled_features(network, see(x)), reals, seed=seed)
                for name, x in sets.items()
            },
        }
    return report


def _spread(images: Tensor) -> float:
    """Root mean square deviation from the mean image: 0 for one repeated image."""
    return float(over_grey(images).std(0, correction=0).square().mean().sqrt())


def sharpness(images: Tensor) -> float:
    """Mean absolute Laplacian (four neighbours) of the scene's luminance (Rec. 601), of RGBA
    [n, 4, h, w] in [-1, 1]."""
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    luminance = (images[:, :3] * weights).sum(1, keepdim=True)
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
    return float(torch.conv2d(luminance, kernel[None, None]).abs().mean())


def soft_share(images: Tensor) -> float:
    """Share of pixels whose alpha lies between .05 and .95, of RGBA [n, 4, h, w] in [-1, 1]."""
    alpha = (images[:, 3] + 1) / 2
    return float(((alpha > 0.05) & (alpha < 0.95)).float().mean())


def write_contact_sheet(
    path: Path, generator: Generator, *, psi: float = 0.7, seed: int = 12345
) -> None:
    """64 unfiltered samples: each its image, its alpha and its cut-out side by side, 8 rows of
    8."""
    images = sample_images(generator, SHEET_SIDE**2, psi, seed)
    panels = torch.cat(
        [images[:, :3], images[:, 3:].expand(-1, 3, -1, -1), composite_over_checker(images)], 3
    )
    write_grid(path, torch.split(panels, SHEET_SIDE))


def agreement(images: Tensor, labeller: Labeller) -> dict[str, float]:
    """Generated alpha against StyleMatte's on the generated RGB: mean MAD, median IoU at 0.5 and
    the share above .9."""
    ours = (images[:, 3:] + 1) / 2
    theirs = torch.cat([labeller(part) for part in torch.split(images[:, :3], BATCH)])
    both = ((ours > 0.5) & (theirs > 0.5)).sum((1, 2, 3)).float()
    either = ((ours > 0.5) | (theirs > 0.5)).sum((1, 2, 3)).clamp(min=1)
    overlap = both / either
    return {
        "mad": float((ours - theirs).abs().mean()),
        "iou_median": float(overlap.median()),
        "iou_above_0.9": float((overlap > 0.9).float().mean()),
    }


FILES = click.Path(exists=True, path_type=Path)


@click.command()
@click.option("--generator", "path", type=FILES, required=True)
@click.option("--corpus", "corpus_path", type=FILES, required=True)
@click.option("--held-out", type=FILES, required=True, help="Pairs kept back, in any layout.")
@click.option(
    "--matte", type=FILES, help="StyleMatte to compare alpha with, and whose encoder sees too."
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True,
    help="Directory for card.json, samples.png.",
)  # fmt: skip
@click.option("--count", default=1000, help="Images a set.")
@click.option("--psi", default=0.7)
def main(
    path: Path,
    corpus_path: Path,
    held_out: Path,
    matte: Path | None,
    out: Path,
    count: int,
    psi: float,
) -> None:
    """Measure a generator and draw 64 unfiltered samples."""
    torch.set_num_threads(1)
    generator, corpus = load_generator(path), Corpus.load(corpus_path)
    out.mkdir(parents=True, exist_ok=True)
    write_contact_sheet(out / "samples.png", generator, psi=psi)
    unseen = read_corpus(held_out, size=generator.config.img_resolution, scenes=1)
    network = load_stylematte(matte) if matte else None
    card = describe_generator(generator, corpus, unseen, count=count, psi=psi, matte=network)
    if matte is not None:
        images = sample_images(generator, min(count, 200), psi, seed=12345)
        card["agreement_with_stylematte"] = agreement(images, stylematte_labeller(matte))
    (out / "card.json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
