"""The default filter: what StyleMatte reaches on held-out pairs whose alpha is exact."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from models.corpora.pairs import decode, read_samples
from models.imaging.pixels import rgb_from_u8
from models.networks.stylematte import predict_alpha
from models.scenes.backgrounds import render_background
from models.training.gan.corpus import build_corpus
from workers.generate.scores import score_agreement, score_subjects

BATCH = 8
Pair = tuple[NDArray[np.uint8], NDArray[np.float32]]  # RGB [h, w, 3], alpha [h, w] in [0, 1]


def exact_pairs(
    tars: Iterable[Path], *, resolution: int, backgrounds: int, seed: int
) -> Iterator[Pair]:
    """Pairs at `resolution`: `image.png` with `alpha.png`, or each `rgba.png` over several rendered
    `backgrounds`.

    Averaged down over pixel areas, which keeps image and alpha consistent.
    """
    for tar in tars:
        for number, (_, members) in enumerate(read_samples(tar)):
            if "rgba.png" in members:
                rgba = decode(members["rgba.png"], "RGBA").astype(np.float32) / 255
                for turn in range(backgrounds):
                    scene = render_background(
                        np.random.default_rng((seed, number, turn)), len(rgba)
                    )
                    alpha = rgba[..., 3:]
                    yield _reduced(
                        alpha * rgba[..., :3] + (1 - alpha) * scene, rgba[..., 3], resolution
                    )
            elif {"image.png", "alpha.png"} <= members.keys():
                image, grey = decode(members["image.png"], "RGB"), decode(members["alpha.png"], "L")
                yield _reduced(
                    image.astype(np.float32) / 255, grey.astype(np.float32) / 255, resolution
                )


def aligned_pairs(
    tars: Iterable[Path], *, resolution: int, backgrounds: int, seed: int
) -> Iterator[Pair]:
    """Pairs framed as StyleMatteGAN's corpus is: aligned heads of each `rgba.png`, with their exact
    alpha."""
    for tar in tars:
        corpus = build_corpus(tar, size=resolution, scenes=backgrounds, seed=seed)
        for image in corpus.images.numpy():
            yield (
                np.ascontiguousarray(np.moveaxis(image[:3], 0, -1)),
                image[3].astype(np.float32) / 255,
            )


def score_pairs(matte: nn.Module, pairs: Iterable[Pair]) -> Iterator[dict[str, float]]:
    """Every score of matteforge.schemas.criteria for each pair: the exact alpha stands where the
    generator's will."""
    remaining = iter(pairs)
    while batch := list(islice(remaining, BATCH)):
        images, alphas = (
            np.stack([image for image, _ in batch]),
            np.stack([alpha for _, alpha in batch]),
        )
        with torch.inference_mode():
            predicted = predict_alpha(matte, rgb_from_u8(images))[:, 0].numpy()
        for cheap, costly in zip(
            score_subjects(alphas), score_agreement(alphas, predicted), strict=True
        ):
            yield cheap | costly


def _reduced(rgb: NDArray[np.floating], alpha: NDArray[np.floating], resolution: int) -> Pair:
    size = (resolution, resolution)
    channels = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(channel, np.float32)).resize(
                size, Image.Resampling.BOX
            )
        )
        for channel in (*np.moveaxis(rgb, -1, 0), alpha)
    ]
    rgb_u8 = np.floor(np.stack(channels[:3], axis=-1).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return rgb_u8, channels[3].clip(0, 1)
