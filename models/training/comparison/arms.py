"""What each arm sees beside the labelled portraits."""

from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.metrics.generator_card import sample_images
from models.networks.checkpoints.load import load_generator
from models.training.comparison.portraits import (
    SIZE,
    Portraits,
    blurred,
    pictures,
    with_own_colour,
)
from models.training.gan.labelling import stylematte_labeller

ARMS = (
    "labelled",  # nothing: the few labelled portraits alone
    "self-training",  # pictures with the labeller's alpha
    "blurred",  # the same, they and their alpha blurred
    "generated",  # the generator's pairs
    "filtered",  # those of them that the labeller agrees with
    "relabelled",  # the generator's pictures with the labeller's alpha
    "exact",  # pictures with their true alpha, which nobody would have
)
GENERATOR_ARMS = ("generated", "filtered", "relabelled")
PSI = 1.0


def extras(
    arm: str, out: Path, *, count: int, seed: int, agreement: int, generator: Path | None
) -> Portraits | None:
    """At most `count` portraits beside the labelled ones of the experiment in `out`; None for the
    arm `labelled`.

    agreement: percentile of the labeller's MAD on the labelled that `filtered` asks for.
    """
    if arm == "labelled":
        return None
    labeller = stylematte_labeller(out / "labeller" / "ema.safetensors")
    if generator is not None and arm in GENERATOR_ARMS:
        drawn = sample_images(load_generator(generator), count, PSI, seed)
        scenes = F.interpolate(drawn, SIZE, mode="area")
    else:
        scenes = pictures(out / "unlabelled.tar", count)
    if arm == "filtered":
        known = disagreement(pictures(out / "labelled.tar"), labeller)
        limit = np.percentile(known, agreement)
        scenes = scenes[torch.from_numpy(disagreement(scenes, labeller) <= limit)]
        click.echo(f"{len(scenes)} of {count} generated pairs have a MAD of at most {limit:.4f}")
    if arm in ("self-training", "blurred", "relabelled"):
        scenes = torch.cat([scenes[:, :3], labels(scenes, labeller) * 2 - 1], 1)
    portraits = with_own_colour(scenes)
    return blurred(portraits) if arm == "blurred" else portraits


def labels(rgba_pm1: Tensor, labeller: Callable[[Tensor], Tensor]) -> Tensor:
    """The labeller's alpha [n, 1, h, w] in [0, 1] of pictures [n, 4, h, w]."""
    return torch.cat([labeller(part) for part in rgba_pm1[:, :3].split(32)])


def disagreement(rgba_pm1: Tensor, labeller: Callable[[Tensor], Tensor]) -> NDArray[np.float64]:
    """MAD between the alpha of each picture and the labeller's for its RGB; RGBA [n, 4, h, w] in
    [-1, 1] -> [n]."""
    theirs = labels(rgba_pm1, labeller)
    return ((rgba_pm1[:, 3:] + 1) / 2 - theirs).abs().mean(dim=(1, 2, 3)).double().numpy()
