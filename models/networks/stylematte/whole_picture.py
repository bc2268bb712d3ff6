"""StyleMatte on a picture of any size: it looks at a bounded size, in tiles where that is large.

Its alpha is then brought to the size of the picture, along the edges in the picture."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from models.imaging.pixels import U8
from models.imaging.tensors import rgb_from_u8
from models.networks.stylematte.guided_filter import fast_guided_filter
from models.networks.stylematte.network import predict_alpha

TILE = 1024  # pixels a side of what the network sees at once
OVERLAP = 128  # of neighbouring tiles, in which one fades into the other
LEAST_SIDE = 64  # smaller pictures are continued at their edges: the network halves five times
EDGE_RADIUS, EDGE_EPS = 2, 1e-4


@torch.inference_mode()
def alpha_of_picture(
    matte: nn.Module, rgb: U8, *, side: int, tile: int = TILE, overlap: int = OVERLAP
) -> NDArray[np.float32]:
    """uint8 [h, w, 3] -> alpha, float32 [h, w] in [0, 1].

    side: the longer side at which the network looks; larger pictures are reduced to it, smaller
    ones are taken as they are. Memory follows from `tile`, not from `side`, but for a few planes.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, side / max(height, width))
    low_size = max(1, round(height * scale)), max(1, round(width * scale))
    low_rgb = _reduced(rgb, *low_size)
    device = next(matte.parameters()).device
    low = _alpha_in_tiles(matte, _padded(rgb_from_u8(low_rgb[None]).to(device)), tile, overlap)
    low = low[..., : low_size[0], : low_size[1]]
    if scale < 1:
        guide, low_guide = _grey(rgb).to(device), _grey(low_rgb).to(device)
        low = fast_guided_filter(low_guide, low, guide, radius=EDGE_RADIUS, eps=EDGE_EPS)
    alpha: NDArray[np.float32] = low[0, 0].clamp(0, 1).cpu().numpy()
    return alpha


def _alpha_in_tiles(matte: nn.Module, rgb_pm1: Tensor, tile: int, overlap: int) -> Tensor:
    """[1, 3, h, w] -> [1, 1, h, w]; where tiles overlap they are weighted by the distance to their
    edges."""
    height, width = rgb_pm1.shape[-2:]
    if max(height, width) <= tile:
        return predict_alpha(matte, rgb_pm1)
    total = rgb_pm1.new_zeros(1, 1, height, width)
    weights = torch.zeros_like(total)
    for rows in _spans(height, tile, overlap):
        for columns in _spans(width, tile, overlap):
            found = predict_alpha(matte, rgb_pm1[..., rows, columns])
            weight = _fade(found.shape[-2], overlap)[:, None] * _fade(found.shape[-1], overlap)
            weight = weight.to(found)
            total[..., rows, columns] += found * weight
            weights[..., rows, columns] += weight
    return total / weights


def _spans(length: int, tile: int, overlap: int) -> Iterator[slice]:
    """Yields as few spans of `tile` as cover `length` with at least `overlap` in common, evenly
    spread."""
    if length <= tile:
        yield slice(0, length)
        return
    count = 1 + -(-(length - tile) // (tile - overlap))
    for i in range(count):
        start = round(i * (length - tile) / (count - 1))
        yield slice(start, start + tile)


def _fade(length: int, overlap: int) -> Tensor:
    """Weights of a tile along one side: up from its start, down to its end, never 0."""
    places = torch.arange(length) + 1.0
    return torch.minimum(places, length + 1 - places).clamp(max=max(1, overlap)) / max(1, overlap)


def _padded(rgb_pm1: Tensor) -> Tensor:
    height, width = rgb_pm1.shape[-2:]
    missing = max(0, LEAST_SIDE - width), max(0, LEAST_SIDE - height)
    return F.pad(rgb_pm1, (0, missing[0], 0, missing[1]), mode="replicate")


def _reduced(rgb: U8, height: int, width: int) -> U8:
    """Means of areas, rounded: of a large picture no plane of floats is made."""
    if (height, width) == rgb.shape[:2]:
        return rgb
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BOX))


def _grey(rgb: U8) -> Tensor:
    """[h, w, 3] in [0, 255] -> the mean of the channels, float32 [1, 1, h, w] in [0, 1]."""
    return torch.from_numpy(rgb.mean(axis=-1, dtype=np.float32) / np.float32(255))[None, None]
