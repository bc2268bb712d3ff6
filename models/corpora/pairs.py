"""Pictures for training and tests, read from WebDataset tars."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.tars import read_samples
from models.imaging.blur_fusion import estimate_foreground
from models.imaging.decode import grey_u8, open_picture
from models.imaging.pixels import to_unit
from models.imaging.resize import middle_square, resized

SUFFIXES = ("png", "webp", "jpg")


def decode(png: bytes, mode: str) -> NDArray[np.uint8]:
    """A picture as uint8 [h, w, c], or [h, w] for mode `L`."""
    image = open_picture(png)
    return grey_u8(image) if mode == "L" else np.asarray(image.convert(mode))


def member(members: Mapping[str, bytes], name: str, mode: str) -> NDArray[np.uint8] | None:
    """The member `name.png`, `name.webp` or `name.jpg`, decoded; None if there is none of them."""
    found = (members[f"{name}.{suffix}"] for suffix in SUFFIXES if f"{name}.{suffix}" in members)
    return next((decode(content, mode) for content in found), None)


def straight_rgba(members: Mapping[str, bytes]) -> NDArray[np.uint8] | None:
    """A sample's straight colour and alpha, uint8 [h, w, 4]: `rgba`, else `fg` with `alpha`, else
    `image` with `alpha`, of which the foreground is estimated; None without alpha."""
    if (rgba := member(members, "rgba", "RGBA")) is not None:
        return rgba
    foreground, alpha = member(members, "fg", "RGB"), member(members, "alpha", "L")
    if alpha is None:
        return None
    if foreground is None and (image := member(members, "image", "RGB")) is not None:
        foreground = estimate_foreground(image, to_unit(alpha))
    return None if foreground is None else np.dstack([foreground, alpha])


def read_portraits(tars: Iterable[Path]) -> NDArray[np.uint8]:
    """Every `straight_rgba`: uint8 [n, h, w, 4]. Raises ValueError if there are none, or of several
    sizes."""
    found = [straight_rgba(members) for tar in tars for _, members in read_samples(tar)]
    pictures = [rgba for rgba in found if rgba is not None]
    if not pictures:
        raise ValueError(
            "no sample of these tars has alpha.png with image or fg (png, webp or jpg), or rgba.png"
        )
    if len(sizes := {rgba.shape for rgba in pictures}) > 1:
        raise ValueError(f"these tars hold portraits of {len(sizes)} sizes; one is needed")
    return np.stack(pictures)


def read_scenes(tars: Iterable[Path]) -> NDArray[np.uint8]:
    """The portraits that come with the scene they were drawn in: its colour and the exact alpha,
    uint8 [n, h, w, 4]. n may be 0."""
    scenes = [np.empty((0, 1, 1, 4), np.uint8)]
    for tar in tars:
        for _, members in read_samples(tar):
            rgba, scene = straight_rgba(members), member(members, "image", "RGB")
            if rgba is not None and scene is not None:
                scenes.append(np.dstack([scene, rgba[..., 3]])[None])
    return np.concatenate(scenes[1:] or scenes)


def read_pairs(tar: Path) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.float32]]]:
    """(key, image, alpha) of each sample with an `image` and an `alpha`, in any format.

    image: float32 [h, w, 3] in [-1, 1]; alpha: float32 [h, w] in [0, 1].
    """
    for key, members in read_samples(tar):
        image, alpha = member(members, "image", "RGB"), member(members, "alpha", "L")
        if image is not None and alpha is not None:
            yield key, to_unit(image) * 2 - 1, to_unit(alpha)


def read_squares(tars: Iterable[Path], size: int) -> NDArray[np.uint8]:
    """Every `straight_rgba`, cut to its middle square and brought to `size`: uint8 [n, size, size,
    4]."""
    squares = [np.empty((0, size, size, 4), np.uint8)]
    for tar in tars:
        for _, members in read_samples(tar):
            if (whole := straight_rgba(members)) is not None:
                rgba = middle_square(whole)
                rgb, alpha = resized(rgba[..., :3], rgba[..., 3], size, size, straight=True)
                squares.append(np.concatenate([rgb, alpha[..., None]], axis=-1)[None])
    return np.concatenate(squares)
