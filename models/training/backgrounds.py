"""Backgrounds for composites: procedural scenes with distractors, blur and exposure, and a cached bank of them."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.training.scenes import SCENES, Picture, Rng, blurred, colour, leaf_outline


def distract(rng: Rng, size: int, picture: Picture) -> Picture:
    """Blobs, some of them skin-coloured, that look like heads but are none."""
    canvas = Image.fromarray((picture * 255).astype(np.uint8))
    for _ in range(int(rng.integers(1, 4))):
        near = np.array([0.75, 0.55, 0.45]) * rng.uniform(0.3, 1.2) if rng.random() < 0.5 else None
        outline = leaf_outline(rng, "blob", size * rng.uniform(0.05, 0.25)) + rng.uniform(0, size, 2)
        fill = tuple(int(v) for v in colour(rng, near, 0.08) * 255)
        ImageDraw.Draw(canvas).polygon([tuple(p) for p in outline], fill=fill)
    return np.asarray(canvas, np.float32) / 255


def render_background(rng: Rng, size: int) -> Picture:
    """One background, float32 [size, size, 3] in [0, 1]: a scene, perhaps distractors, blur, vignette and exposure."""
    shares = np.array([share for _, share in SCENES])
    picture = SCENES[rng.choice(len(SCENES), p=shares / shares.sum())][0](rng, size)
    if rng.random() < 0.25:
        picture = distract(rng, size, picture)
    picture = blurred(picture, rng.choice([0, 0, 0.6, 1.0, 2.5, 6.0]) * size / 128)
    y, x = np.mgrid[0:size, 0:size] / size
    spot = np.exp(-np.hypot(x - rng.random(), y - rng.random()) * rng.uniform(0, 1.5))[..., None]
    return np.clip((picture * spot) ** rng.uniform(0.6, 1.4) * rng.uniform(0.8, 1.3), 0, 1).astype(np.float32)


def background_bank(path: Path, *, count: int, size: int, seed: int) -> NDArray[np.uint8]:
    """`count` backgrounds, uint8 [count, size, size, 3], each a function of (seed, its index), cached in `path`."""
    if not path.exists():
        bank = np.empty((count, size, size, 3), np.uint8)
        for index in range(count):
            bank[index] = np.rint(render_background(np.random.default_rng((seed, index)), size) * 255)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        np.save(partial, bank)
        os.replace(partial, path)
    bank = np.load(path, mmap_mode="r")
    if bank.shape != (count, size, size, 3):
        raise ValueError(f"{path.name} holds backgrounds of another count or size: {bank.shape}")
    return bank
