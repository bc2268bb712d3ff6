"""People in the scene that they were drawn or taken in: light and background belong together, as in
what a generator draws and a filter has to judge."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.training.matting.augment import Batch, affine_grid, to_tensor
from models.training.matting.photometry import Rng, degrade, jitter_colour

CONTRAST = 0.25
"""What `composition_loss` takes for subject against background, where the latter isn't known."""


def draw_scenes(scenes: NDArray[np.uint8], *, count: int, size: int, rng: Rng) -> Batch:
    """Draws mirrored parts of at least three quarters of a scene's side, recoloured and degraded.

    scenes: uint8 [n, h, w, 4], the scene's colour and the subject's alpha.
    """
    pictures = to_tensor(scenes[rng.integers(len(scenes), size=count)])
    extent = np.where(rng.random(count) < 0.6, rng.uniform(0.75, 1, count), 1.0)
    theta = np.zeros((count, 2, 3))
    theta[:, 0, 0], theta[:, 1, 1] = extent * rng.choice([-1, 1], count), extent
    theta[:, :, 2] = rng.uniform(-1, 1, (count, 2)) * (1 - extent[:, None])
    if size < 0.75 * pictures.shape[-1]:
        pictures = F.avg_pool2d(pictures, 2)
    parts = F.grid_sample(
        pictures, affine_grid(theta, size), padding_mode="border", align_corners=False
    ).clamp(0, 1)
    image = degrade(jitter_colour(parts[:, :3], rng, strength=0.7), rng) * 2 - 1
    return Batch(image=image, alpha=parts[:, 3:], contrast=torch.full_like(image, CONTRAST))


def concatenated(first: Batch, second: Batch) -> Batch:
    """Both batches as one."""

    def both(name: str) -> Tensor:
        return torch.cat([getattr(first, name), getattr(second, name)])

    return Batch(image=both("image"), alpha=both("alpha"), contrast=both("contrast"))
