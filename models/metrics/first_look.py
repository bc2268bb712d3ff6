"""A first look at imported weights: nine samples on a sheet, and whether they make sense."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models import shipped_bundle
from models.imaging.pixels import U8
from models.imaging.sheets import grey_rgb, in_rows, thumbnail, tile
from models.imaging.tensors import pm1_to_u8
from models.networks.checkpoints.checkpoint import Kind
from models.networks.checkpoints.load import load_generator, load_stylematte
from models.networks.stylematte import predict_alpha

SAMPLES = 9
COLUMNS = 3
SIDE = 160  # pixels of a tile
PSI = 0.7
ALIKE = 2.0  # levels of 255 between two samples, below which they are one
GENERATOR_FILE, STYLEMATTE_FILE = "generator.safetensors", "stylematte.safetensors"


@dataclass(frozen=True, kw_only=True)
class FirstLook:
    """sheet: uint8 [h, w, 3]; figures: by name; doubts: sentences, none where all makes sense."""

    sheet: U8
    figures: dict[str, float]
    doubts: tuple[str, ...]


def first_look(
    kind: Kind, checkpoint: Path, follow: Callable[[Iterable[int]], Iterable[int]] = iter
) -> FirstLook:
    """Nine samples of a generator (psi .7, seeds 0 to 8) with their alphas, or the alphas that a
    StyleMatte finds in the shipped generator's. Raises ValueError for another kind.

    follow: is given the seeds, and gives them on one by one as samples are drawn.
    """
    if kind == "stylemattegan-generator":
        samples = list(_samples(checkpoint, follow))
        rgb = [sample[..., :3] for sample in samples]
        alphas = [sample[..., 3] for sample in samples] if samples[0].shape[-1] == 4 else []
    elif kind == "stylematte":
        rgb = [sample[..., :3] for sample in _samples(shipped_bundle() / GENERATOR_FILE, follow)]
        alphas = list(_alphas(checkpoint, rgb))
    else:
        raise ValueError(f"a {kind} draws nothing by itself")
    figures = _figures(rgb, alphas)
    return FirstLook(sheet=_sheet(rgb, alphas), figures=figures, doubts=_doubts(figures))


@torch.inference_mode()
def _samples(checkpoint: Path, follow: Callable[[Iterable[int]], Iterable[int]]) -> Iterator[U8]:
    """uint8 [h, w, 3 or 4] one at a time: the largest networks need gigabytes a picture."""
    generator = load_generator(checkpoint)
    for seed in follow(range(SAMPLES)):
        z = torch.randn(1, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
        yield pm1_to_u8(generator(z, truncation_psi=PSI))[0].permute(1, 2, 0).numpy()


@torch.inference_mode()
def _alphas(checkpoint: Path, rgb: list[U8]) -> Iterator[U8]:
    matte = load_stylematte(checkpoint)
    for picture in rgb:
        image = torch.from_numpy(picture.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
        yield pm1_to_u8(predict_alpha(matte, image) * 2 - 1)[0, 0].numpy()


def _figures(rgb: list[U8], alphas: list[U8]) -> dict[str, float]:
    pictures = np.stack(rgb).astype(np.float32)
    figures = {
        "width": float(pictures.shape[2]),
        "contrast": float(pictures.std(axis=(1, 2, 3)).mean()),
        "difference_of_samples": float(np.abs(pictures[1:] - pictures[:-1]).mean()),
        "clipped": float(((pictures == 0) | (pictures == 255)).mean()),
    }
    if alphas:
        cover = np.stack(alphas).astype(np.float32) / 255
        figures["alpha_coverage"] = float(cover.mean())
        figures["half_transparent"] = float(((cover > 0.1) & (cover < 0.9)).mean())
    return figures


def _doubts(figures: dict[str, float]) -> tuple[str, ...]:
    coverage = figures.get("alpha_coverage", 0.5)
    found = {
        "the samples are nearly one colour": figures["contrast"] < 5,
        "the samples are all alike": figures["difference_of_samples"] < ALIKE,
        "most values are clipped": figures["clipped"] > 0.5,
        "alpha is empty": coverage < 0.01,
        "alpha covers the whole picture": coverage > 0.99,
        "most of alpha is half transparent": figures.get("half_transparent", 0) > 0.5,
    }
    return tuple(doubt for doubt, holds in found.items() if holds)


def _sheet(rgb: list[U8], alphas: list[U8]) -> U8:
    tiles = [thumbnail(picture, SIDE) for picture in rgb]
    if alphas:
        greys = [thumbnail(grey_rgb(alpha), SIDE) for alpha in alphas]
        tiles = [np.concatenate(pair, axis=1) for pair in zip(tiles, greys, strict=True)]
    return tile(in_rows(tiles, COLUMNS), gap=4)
