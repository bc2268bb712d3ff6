"""Training images of known alpha: portraits moved, recoloured, composited over backgrounds and
degraded.

Colours here are float32 in [0, 1] until `draw_batch` returns images in [-1, 1]. A batch is a pure
function of its inputs and of the state of `rng`.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.training.matting.photometry import (
    Rng,
    column,
    degrade,
    filter_randomly,
    gaussian_blur,
    jitter_colour,
    mute,
)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """image: float32 [n, 3, s, s] in [-1, 1]; alpha: [n, 1, s, s] in [0, 1]; contrast: see
    `composition_loss`."""

    image: Tensor
    alpha: Tensor
    contrast: Tensor


def draw_batch(
    portraits: NDArray[np.uint8], backgrounds: NDArray[np.uint8], *, count: int, size: int, rng: Rng
) -> Batch:
    """Draws a batch of composites and their alphas.

    portraits: uint8 [n, h, w, 4], straight RGBA; backgrounds: uint8 [m, b, b, 3].
    """
    subject = to_tensor(portraits[rng.integers(len(portraits), size=count)])
    colour, alpha = jitter_colour(subject[:, :3], rng), subject[:, 3:]
    premultiplied = move_subject(torch.cat([colour * alpha, alpha], dim=1), size, rng)
    behind = draw_scene(portraits, backgrounds, count, size, rng)
    behind = mute(behind, column(rng.choice([0.15, 0.4, 0.7, 1.0], count)))
    behind = gaussian_blur(
        jitter_colour(behind, rng), rng.choice([0, 0, 0, 0, 0.7, 2.5], count) * size / 128
    )
    alpha = premultiplied[:, 3:].clamp(0, 1)
    behind = camouflage(behind, premultiplied, column(rng.uniform(-1, 1, count).clip(0)))
    image = premultiplied[:, :3] + behind * (1 - alpha)
    image = degrade(jitter_colour(image, rng, strength=0.5), rng) * 2 - 1
    return Batch(image=image, alpha=alpha, contrast=(own_colour(premultiplied) - behind).abs())


def own_colour(premultiplied: Tensor) -> Tensor:
    """Straight colour of [n, 4, s, s]; where there is no subject, the subject's mean colour."""
    colour, alpha = premultiplied[:, :3], premultiplied[:, 3:]
    mean = colour.sum((2, 3), keepdim=True) / alpha.sum((2, 3), keepdim=True).clamp(min=1e-3)
    return torch.where(alpha > 0.01, colour / alpha.clamp(min=0.01), mean).clamp(0, 1)


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 [n, h, w, c] to float32 [n, c, h, w] in [0, 1]."""
    return (
        torch.from_numpy(np.require(pictures, requirements=["C", "W"])).permute(0, 3, 1, 2).float()
        / 255
    )


def camouflage(behind: Tensor, premultiplied: Tensor, strength: Tensor) -> Tensor:
    """Moves the mean colour of a background towards that of the subject's upper half, head and
    hair.

    behind: [n, 3, s, s]; premultiplied: [n, 4, s, s]; strength: [n, 1, 1, 1], 0 for no change.
    """
    upper = premultiplied[:, :, : premultiplied.shape[2] // 2].sum(dim=(2, 3), keepdim=True)
    target = upper[:, :3] / (upper[:, 3:] + 1)
    return (behind + strength * (target - behind.mean(dim=(2, 3), keepdim=True))).clamp(0, 1)


def draw_scene(
    portraits: NDArray[np.uint8], backgrounds: NDArray[np.uint8], count: int, size: int, rng: Rng
) -> Tensor:
    """Crops of backgrounds, some pieced together along the tones of a third, some with scraps of
    people, some filtered.

    Scraps share the texture of people but not their shape. Returns [count, 3, size, size] in [0,
    1].
    """
    first, second, third = (
        crop_background(
            to_tensor(backgrounds[rng.integers(len(backgrounds), size=count)]), size, rng
        )
        for _ in range(3)
    )
    pieced, scraps = rng.random(count) < 0.5, rng.random(count) < 0.3
    if scraps.any():
        people = to_tensor(portraits[rng.integers(len(portraits), size=int(scraps.sum()))])
        second[torch.from_numpy(scraps)] = scrap(people[:, :3], size, rng)
    tone = third.mean(dim=1, keepdim=True)
    level = tone.flatten(1).quantile(float(rng.uniform(0.3, 0.8)), dim=1).view(-1, 1, 1, 1)
    mask = torch.sigmoid((tone - level) * column(np.exp(rng.uniform(2, 5, count)))) * column(
        1.0 * (pieced | scraps)
    )
    scene = filter_randomly(first + mask * (second - first), rng)
    relief = column(np.where(rng.random(count) < 0.4, rng.uniform(0, 4, count), 0))
    return (scene * (1 + relief * (tone - tone.mean(dim=(2, 3), keepdim=True)))).clamp(0, 1)


def scrap(people: Tensor, size: int, rng: Rng) -> Tensor:
    """Parts of people, enlarged 2 to 4 times and turned by any angle; [n, 3, h, w] to [n, 3, size,
    size]."""
    n = len(people)
    angle, extent, theta = (
        rng.uniform(0, 2 * np.pi, n),
        rng.uniform(0.25, 0.5, n),
        np.empty((n, 2, 3)),
    )
    theta[:, 0, 0], theta[:, 0, 1] = extent * np.cos(angle), -extent * np.sin(angle)
    theta[:, 1, 0], theta[:, 1, 1] = extent * np.sin(angle), extent * np.cos(angle)
    theta[:, :, 2] = rng.uniform([-0.4, -0.3], [0.4, 0.7], (n, 2))
    return F.grid_sample(
        people, affine_grid(theta, size), padding_mode="reflection", align_corners=False
    )


def affine_grid(theta: NDArray[np.floating], size: int) -> Tensor:
    """Sampling positions float32 [n, size, size, 2] of matrices [n, 2, 3]."""
    return F.affine_grid(
        torch.from_numpy(theta.astype(np.float32)), [len(theta), 1, size, size], align_corners=False
    )


def move_subject(premultiplied: Tensor, size: int, rng: Rng) -> Tensor:
    """Flip, zoom, turn, shear and shift; sides and bottom are continued, the top is not. Returns
    [n, 4, size, size]."""
    n = len(premultiplied)
    zoom = np.exp(np.where(rng.random(n) < 0.7, rng.uniform(-0.35, 0.2, n), 0))
    angle = np.where(rng.random(n) < 0.6, rng.normal(0, 0.17, n), 0)
    flip = rng.choice([-1, 1], n)
    shear = np.where(rng.random(n) < 0.3, rng.normal(0, 0.1, n), 0)
    shift = np.where(rng.random((n, 1)) < 0.7, rng.normal(0, [0.15, 0.1], (n, 2)), 0)
    theta = np.empty((n, 2, 3))
    theta[:, 0, 0], theta[:, 0, 1] = (
        flip * zoom * np.cos(angle),
        flip * (shear - zoom * np.sin(angle)),
    )
    theta[:, 1, 0], theta[:, 1, 1] = zoom * np.sin(angle), zoom * np.cos(angle)
    theta[:, :, 2] = shift
    if size < 0.75 * premultiplied.shape[-1]:
        premultiplied = F.avg_pool2d(premultiplied, 2)
    grid = affine_grid(theta, size)
    moved = F.grid_sample(premultiplied, grid, padding_mode="border", align_corners=False)
    return moved * (grid[:, None, :, :, 1] > -1)


def crop_background(backgrounds: Tensor, size: int, rng: Rng) -> Tensor:
    """A flipped, turned, warped square part of 20 to 100 % of each background. Returns [n, 3, size,
    size]."""
    n = len(backgrounds)
    extent, angle = rng.uniform(0.2, 1, n) ** 0.7, rng.normal(0, 0.08, n)
    theta = np.empty((n, 2, 3))
    theta[:, 0, 0], theta[:, 0, 1] = (
        extent * np.cos(angle) * rng.choice([-1, 1], n),
        -extent * np.sin(angle),
    )
    theta[:, 1, 0], theta[:, 1, 1] = extent * np.sin(angle), extent * np.cos(angle)
    theta[:, :, 2] = rng.uniform(-1, 1, (n, 2)) * (1 - extent[:, None])
    if size < 0.5 * backgrounds.shape[-1]:
        backgrounds = F.avg_pool2d(backgrounds, 2)
    waves = (
        rng.normal(0, 1, (n, 2, *rng.integers(3, 9, 2)))
        * (0.15 * extent * (rng.random(n) < 0.4))[:, None, None, None]
    )
    warp = F.interpolate(
        torch.from_numpy(waves.astype(np.float32)), size=(size, size), mode="bicubic"
    )
    grid = affine_grid(theta, size) + warp.permute(0, 2, 3, 1)
    return F.grid_sample(backgrounds, grid, padding_mode="reflection", align_corners=False)
