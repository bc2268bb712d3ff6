"""Which portraits have labels, and what all of them look like at the size of the experiment."""

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from core.tars import read_members
from models.corpora.foreground import straight_foreground
from models.imaging.pixels import to_u8, to_unit
from models.imaging.tensors import pm1_to_u8
from models.training.matting.held_out import held_out_pairs

SIZE = 64  # pixels: of every arm
BLUR = 1.2  # pixels, Gaussian sigma of the arm `blurred`

Portraits = NDArray[np.uint8]
"""Straight RGBA, uint8 [n, h, w, 4]."""


def split_portraits(tars: Iterable[Path], labelled: int, out: Path) -> None:
    """Writes `labelled.tar`, the portraits whose names hash smallest, and `unlabelled.tar`, the
    others, each with its scene where there is one."""
    members = {name: body for tar in tars for name, body in read_members(tar)}
    keys = {name.partition(".")[0] for name in members if name.partition(".")[2][:5] == "rgba."}
    order = sorted(keys, key=lambda key: hashlib.sha256(key.encode()).digest())
    for name, chosen in (("labelled", order[:labelled]), ("unlabelled", order[labelled:])):
        kept = set(chosen)
        with tarfile.open(out / f"{name}.tar", "w") as archive:
            for member in sorted(members):
                key, _, suffix = member.partition(".")
                if key in kept and suffix.startswith(("rgba.", "image.")):
                    _add(archive, member, members[member])


def pictures(tar: Path, count: int | None = None) -> Tensor:
    """The first `count` portraits in their scenes, drawn ones where they have none, with the exact
    alpha: float32 [n, 4, SIZE, SIZE] in [-1, 1]."""
    found = [
        np.dstack([to_unit(pair.rgb), pair.alpha])
        for pair, _ in zip(
            held_out_pairs([tar], SIZE), range(10**9 if count is None else count), strict=False
        )
    ]
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2) * 2 - 1


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


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
