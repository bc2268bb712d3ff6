"""Backgrounds for composites: procedural scenes with distractors, blur and exposure, crops of
photographs."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.imaging.decode import decode_picture
from models.imaging.pixels import to_u8
from models.scenes.procedural import SCENES, leaf_outline
from models.scenes.textures import Picture, Rng, colour, smoothed

PHOTO_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
Bank = NDArray[np.uint8]
"""Backgrounds, uint8 [count, size, size, 3]."""


def distract(rng: Rng, size: int, picture: Picture) -> Picture:
    """Blobs, some of them skin-coloured, that look like heads but are none."""
    canvas = Image.fromarray(to_u8(picture))
    for _ in range(int(rng.integers(1, 4))):
        near = np.array([0.75, 0.55, 0.45]) * rng.uniform(0.3, 1.2) if rng.random() < 0.5 else None
        outline = leaf_outline(rng, "blob", size * rng.uniform(0.05, 0.25)) + rng.uniform(
            0, size, 2
        )
        fill = tuple(int(v) for v in colour(rng, near, 0.08) * 255)
        ImageDraw.Draw(canvas).polygon([tuple(p) for p in outline], fill=fill)
    return np.asarray(canvas, np.float32) / 255


def render_background(rng: Rng, size: int) -> Picture:
    """One background, float32 [size, size, 3] in [0, 1]: a scene, perhaps distractors, blur,
    vignette and exposure."""
    shares = np.array([share for _, share in SCENES])
    picture = SCENES[rng.choice(len(SCENES), p=shares / shares.sum())][0](rng, size)
    if rng.random() < 0.25:
        picture = distract(rng, size, picture)
    picture = smoothed(picture, rng.choice([0, 0, 0.6, 1.0, 2.5, 6.0]) * size / 128)
    y, x = np.mgrid[0:size, 0:size] / size
    spot = np.exp(-np.hypot(x - rng.random(), y - rng.random()) * rng.uniform(0, 1.5))[..., None]
    return np.clip((picture * spot) ** rng.uniform(0.6, 1.4) * rng.uniform(0.8, 1.3), 0, 1).astype(
        np.float32
    )


def background_bank(path: Path, *, count: int, size: int, seed: int) -> Bank:
    """`count` procedural backgrounds, each a function of (seed, its index); see `_cached`."""
    return _cached(
        path,
        count,
        size,
        lambda index: render_background(np.random.default_rng((seed, index)), size),
    )


def photo_bank(path: Path, photos: Sequence[Path], *, count: int, size: int, seed: int) -> Bank:
    """`count` square crops of photographs of any size, scaled; entry i shows photo i mod their
    count; see `_cached`."""
    return _cached(
        path,
        count,
        size,
        lambda index: crop_photo(photos[index % len(photos)], (seed, index), size),
    )


def list_photos(folders: Iterable[Path]) -> list[Path]:
    """PNG, JPEG and WebP files in the folders, by name. Raises ValueError for a folder without
    any."""
    found = []
    for folder in folders:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in PHOTO_SUFFIXES)
        if not files:
            raise ValueError(f"{folder} holds no PNG, JPEG or WebP files")
        found += files
    return found


def crop_photo(photo: Path, seed: tuple[int, int], size: int) -> Picture:
    """A random square of at least `size` pixels' side, or all there is, scaled; float32 [size,
    size, 3] in [0, 1]."""
    return crop_square(decode_picture(photo).rgb, np.random.default_rng(seed), size)


def crop_square(rgb_u8: NDArray[np.uint8], rng: Rng, size: int) -> Picture:
    """The same of decoded pixels [h, w, 3]."""
    image = Image.fromarray(rgb_u8)
    longest = min(image.size)
    side = int(rng.integers(min(size, longest), longest + 1))
    left, top = (int(rng.integers(0, length - side + 1)) for length in image.size)
    square = image.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS), np.float32) / 255


def _cached(path: Path, count: int, size: int, make: Callable[[int], Picture]) -> Bank:
    """Entries 0 to `count` of `make`, uint8 [count, size, size, 3], written to `path` at the first
    call."""
    if not path.exists():
        bank = np.empty((count, size, size, 3), np.uint8)
        for index in range(count):
            bank[index] = to_u8(make(index))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        np.save(partial, bank)
        os.replace(partial, path)
    bank = np.load(path, mmap_mode="r")
    if bank.shape != (count, size, size, 3):
        raise ValueError(f"{path.name} holds backgrounds of another count or size: {bank.shape}")
    return bank
