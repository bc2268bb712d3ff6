"""Augmentation that is safe for images with alpha (after arXiv 2006.06676): differentiable, applied with probability p.

Geometry moves all four channels together; colour touches RGB only, so alpha keeps its meaning.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_SHIFT = 0.06  # of the width
MAX_TURN = math.radians(8)
SCALE_STD = 0.06  # of log2
BRIGHTNESS_STD, CONTRAST_STD, SATURATION_STD = 0.12, 0.15, 0.25
LUMA = (0.299, 0.587, 0.114)


def augment(images: Tensor, p: float, rng: torch.Generator) -> Tensor:
    """images: float32 [n, 4, h, w], RGB and alpha in [-1, 1] -> the same shape.

    Each kind of change (mirror, place, colour) is drawn for each image with probability p.
    """
    return change_colour(move(images, p, rng), p, rng)


def move(images: Tensor, p: float, rng: torch.Generator) -> Tensor:
    """Mirrors, turns, scales and shifts all channels alike; the border is continued by reflection."""
    count = len(images)
    mirror = 1 - 2 * _chosen(count, p * 0.5, rng)
    placed = _chosen(count, p, rng)
    turn = (torch.rand(count, generator=rng) * 2 - 1) * MAX_TURN * placed
    scale = torch.exp2(torch.randn(count, generator=rng) * SCALE_STD * placed)
    shift = (torch.rand(count, 2, generator=rng) * 2 - 1) * 2 * MAX_SHIFT * placed[:, None]
    first = torch.stack([scale * turn.cos() * mirror, -scale * turn.sin(), shift[:, 0]], 1)
    second = torch.stack([scale * turn.sin() * mirror, scale * turn.cos(), shift[:, 1]], 1)
    grid = F.affine_grid(torch.stack([first, second], 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def change_colour(images: Tensor, p: float, rng: torch.Generator) -> Tensor:
    """Brightness, contrast and saturation of RGB; alpha is returned as it came."""
    colour, alpha = images[:, :3], images[:, 3:]
    chosen = _chosen(len(images), p, rng)

    def drawn(deviation: float) -> Tensor:
        return (torch.randn(len(images), generator=rng) * deviation * chosen)[:, None, None, None]

    grey = (colour * torch.tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    colour = grey + (colour - grey) * torch.exp2(drawn(SATURATION_STD))
    return torch.cat([colour * torch.exp2(drawn(CONTRAST_STD)) + drawn(BRIGHTNESS_STD), alpha], 1)


def _chosen(count: int, p: float, rng: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=rng) < p).float()
