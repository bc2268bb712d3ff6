"""Pictures for training and tests: of WebDataset tars, and people in any layout."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.tars import read_samples
from matteforge.schemas.corpora import CorpusKind
from models.corpora.reader import read_checked
from models.corpora.validate import Sample
from models.imaging.blur_fusion import estimate_foreground
from models.imaging.decode import grey_u8, open_picture
from models.imaging.pixels import U8, to_unit
from models.imaging.resize import middle_square, resized

LONGEST_SIDE = 1080  # pixels; larger pictures are brought down to it
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


def read_people(
    source: Path, size: int | None = None, on_entry: Callable[[], None] = lambda: None
) -> tuple[U8, U8]:
    """People in any layout that `corpora add` takes: straight RGBA of all, uint8 [n, h, w, 4], and
    the scenes of those that come in one, with their alpha, uint8 [m, h, w, 4]; m may be 0.

    size: side of the middle square that each is cut and brought to; None: they have one size
    already. on_entry: called for each. Raises ValueError if there are none, or of several sizes;
    FileNotFoundError.
    """
    people, scenes, left_out = list[U8](), list[U8](), Counter[str]()
    for _, sample in read_checked(
        [source],
        CorpusKind.PAIRS,
        LONGEST_SIDE,
        on_entry=on_entry,
        on_refused=lambda entry, reason: left_out.update([reason]),
    ):
        people.append(straight_person(sample, size))
        if not sample.straight and sample.alpha is not None:
            scenes.append(_square(np.dstack([sample.rgb, sample.alpha]), size, straight=False))
    if not people:
        reasons = ", ".join(f"{number} {reason}" for reason, number in left_out.most_common())
        raise ValueError(
            f"{source} holds no picture with its alpha ({reasons or 'nothing at all'})"
        )
    if len(sizes := {each.shape for each in people}) > 1:
        raise ValueError(f"{source} holds pictures of {len(sizes)} sizes: choose one by --size")
    return np.stack(people), np.stack(scenes) if scenes else np.empty((0, 1, 1, 4), np.uint8)


def straight_person(sample: Sample, size: int | None = None) -> U8:
    """A sample's own colour, where need be estimated, and its alpha: uint8 [h, w, 4]; size: see
    `read_people`."""
    assert sample.alpha is not None
    colour = sample.rgb if sample.straight else sample.foreground
    if colour is None:
        colour = estimate_foreground(sample.rgb, to_unit(sample.alpha))
    return _square(np.dstack([colour, sample.alpha]), size, straight=True)


def _square(rgba: U8, size: int | None, *, straight: bool) -> U8:
    if size is None:
        return rgba
    square = middle_square(rgba)
    rgb, alpha = resized(square[..., :3], square[..., 3], size, size, straight=straight)
    return np.dstack([rgb, alpha])


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
