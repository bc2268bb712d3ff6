"""Held-out pairs with exact alpha at one size, each with the part of the corpus it comes from."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.tars import read_samples
from models.corpora.pairs import member, straight_rgba
from models.imaging.compositing import over
from models.imaging.pixels import nearest_u8, to_unit
from models.imaging.resize import middle_square, resized
from models.scenes.backgrounds import render_background


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """rgb: uint8 [size, size, 3]; alpha: float32 [size, size] in [0, 1]."""

    key: str
    part: str
    rgb: NDArray[np.uint8]
    alpha: NDArray[np.float32]


def held_out_pairs(tars: Iterable[Path], size: int) -> Iterator[HeldOut]:
    """The scene where it is known; else the subject over a drawn background that follows from the
    sample's key.

    Pictures are cut to their middle square and brought to `size` by area averaging.
    """
    for tar in tars:
        for key, members in read_samples(tar):
            part = json.loads(members.get("json", b"{}")).get("part", "")
            rgba, scene = straight_rgba(members), member(members, "image", "RGB")
            alpha = member(members, "alpha", "L") if rgba is None else rgba[..., 3]
            if scene is not None and alpha is not None:
                whole = middle_square(scene), middle_square(alpha)
                rgb, alpha = resized(*whole, size, size, straight=False)
            elif rgba is not None:
                rgba = middle_square(rgba)
                rgb, alpha = resized(rgba[..., :3], rgba[..., 3], size, size, straight=True)
                rgb = over_drawn(key, rgb, alpha)
            else:
                continue
            yield HeldOut(key=key, part=part, rgb=rgb, alpha=to_unit(alpha))


def over_drawn(key: str, rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Straight colour [h, w, 3] and alpha [h, w] over a background that follows from `key`."""
    height, width = alpha.shape
    scene = (
        render_background(np.random.default_rng(list(key.encode())), max(height, width))[
            :height, :width
        ]
        * 255
    )
    return nearest_u8(over(rgb.astype(np.float32), to_unit(alpha)[..., None], scene))
