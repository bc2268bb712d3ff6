"""Augmentation that is safe for images with alpha (after arXiv 2006.06676): differentiable, applied
with probability p.

Geometry moves all four channels together; colour touches RGB only, so alpha keeps its meaning.
Random numbers are drawn as models.training.distributed has it.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.training import distributed

MAX_SHIFT = 0.06  # of the width
MAX_TURN = math.radians(8)
SCALE_STD = 0.06  # of log2
BRIGHTNESS_STD, CONTRAST_STD, SATURATION_STD = 0.12, 0.15, 0.25
LUMA = (0.299, 0.587, 0.114)


class AdaptiveProbability(nn.Module):
    """p of the augmentation: it grows while the discriminator is too sure of real images (arXiv
    2006.06676, eq. 1).

    kimg: thousand images that p takes from 0 to 1; limit: the largest p, beyond which generated
    images show the augmentation. Buffers hold everything, so that a resumed run goes on exactly.
    """

    p: Tensor
    signs: Tensor

    def __init__(
        self, *, kimg: float, start: float = 0.0, limit: float = 0.8, target: float = 0.6
    ) -> None:
        super().__init__()
        self.kimg, self.limit, self.target = kimg, limit, target
        self.register_buffer("p", torch.tensor(float(start)))
        self.register_buffer(
            "signs", torch.zeros(2)
        )  # sum and number of signs since the last change of p

    @torch.no_grad()
    def observe(self, real_logits: Tensor) -> None:
        """real_logits: what the discriminator says of augmented real images."""
        number = float(real_logits.numel())
        self.signs += torch.tensor(
            [float(real_logits.sign().sum()), number], device=self.signs.device
        )

    @torch.no_grad()
    def adjust(self) -> float:
        """Moves p by what the images observed since the last time allow; returns r_t, their mean
        sign."""
        with torch.enable_grad():
            total, number = distributed.mean(self.signs)
        overfit = float(total / number.clamp(min=1))
        step = float(number) * distributed.count() / (1000 * self.kimg)
        self.p.add_(step * (1 if overfit > self.target else -1)).clamp_(0, self.limit)
        self.signs.zero_()
        return overfit


def augment(images: Tensor, p: float | Tensor, rng: torch.Generator) -> Tensor:
    """images: float32 [n, 4, h, w], RGB and alpha in [-1, 1] -> the same shape.

    Each kind of change (mirror, place, colour) is drawn for each image with probability p.
    """
    return change_colour(move(images, p, rng), p, rng)


def move(images: Tensor, p: float | Tensor, rng: torch.Generator) -> Tensor:
    """Mirrors, turns, scales and shifts all channels alike; the border is continued by
    reflection."""
    count = len(images)

    def uniform(*shape: int) -> Tensor:
        return distributed.uniform(count, *shape, rng=rng, device=images.device)

    mirror = 1 - 2 * (uniform() < p * 0.5).float()
    placed = (uniform() < p).float()
    turn = (uniform() * 2 - 1) * MAX_TURN * placed
    scale = torch.exp2(
        distributed.normal(count, rng=rng, device=images.device) * SCALE_STD * placed
    )
    shift = (uniform(2) * 2 - 1) * 2 * MAX_SHIFT * placed[:, None]
    first = torch.stack([scale * turn.cos() * mirror, -scale * turn.sin(), shift[:, 0]], 1)
    second = torch.stack([scale * turn.sin() * mirror, scale * turn.cos(), shift[:, 1]], 1)
    grid = F.affine_grid(torch.stack([first, second], 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def change_colour(images: Tensor, p: float | Tensor, rng: torch.Generator) -> Tensor:
    """Brightness, contrast and saturation of RGB; alpha is returned as it came."""
    colour, alpha = images[:, :3], images[:, 3:]
    chosen = (distributed.uniform(len(images), rng=rng, device=images.device) < p).float()

    def drawn(deviation: float) -> Tensor:
        deviations = distributed.normal(len(images), rng=rng, device=images.device) * deviation
        return (deviations * chosen)[:, None, None, None]

    grey = (colour * images.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    colour = grey + (colour - grey) * torch.exp2(drawn(SATURATION_STD))
    return torch.cat([colour * torch.exp2(drawn(CONTRAST_STD)) + drawn(BRIGHTNESS_STD), alpha], 1)


def soften(images: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur of `sigma` pixels, [n, c, h, w]; below 0.2 none.

    On real and generated images alike and fading out, it keeps the discriminator from judging by
    sharpness alone while the generator can't make any (arXiv 2106.12423, appendix G).
    """
    if sigma < 0.2:
        return images
    radius, channels = math.ceil(2.5 * sigma), images.shape[1]
    offsets = torch.arange(-radius, radius + 1, device=images.device)
    taps = torch.exp(-0.5 * (offsets / sigma).square())
    row = (taps / taps.sum()).expand(channels, 1, 1, -1)
    padded = F.pad(images, (radius, radius, radius, radius), mode="reflect")
    return F.conv2d(F.conv2d(padded, row, groups=channels), row.transpose(2, 3), groups=channels)
