"""Augmentation that is safe for images with alpha (after arXiv 2006.06676): differentiable, applied
with probability p.

Geometry moves all four channels together; colour touches RGB only, so alpha keeps its meaning.
Random numbers are drawn as models.training.distributed has it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.training import distributed

MAX_SHIFT = 1 / 16  # of the width
TURN_STD = 0.05  # radians
SCALE_STD = 0.08  # of log2
BRIGHTNESS_STD, CONTRAST_STD, SATURATION_STD = 0.2, 0.25, 0.4
HOLE = 0.4  # of the width
LUMA = (0.299, 0.587, 0.114)


class AdaptiveProbability(nn.Module):
    """p of the augmentation: it grows while the discriminator is too sure of real images (arXiv
    2006.06676, eq. 1).

    kimg: thousand images that p takes from 0 to 1; least, limit: between which p stays: beyond the
    limit generated images show the augmentation. Buffers hold everything, so that a resumed run
    goes on exactly.
    """

    p: Tensor
    signs: Tensor

    def __init__(
        self,
        *,
        kimg: float,
        start: float = 0.0,
        least: float = 0.0,
        limit: float = 0.8,
        target: float = 0.6,
    ) -> None:
        super().__init__()
        self.kimg, self.least, self.limit, self.target = kimg, least, limit, target
        self.register_buffer("p", torch.tensor(float(start)))
        self.register_buffer(
            "signs", torch.zeros(2)
        )  # sum and number of signs since the last change of p

    @torch.no_grad()
    def observe(self, real_logits: Tensor) -> None:
        """real_logits: what the discriminator says of augmented real images."""
        signs = real_logits.detach().sign()
        self.signs += torch.stack([signs.sum(), torch.ones_like(signs).sum()])

    @torch.no_grad()
    def adjust(self) -> float:
        """Moves p by what the images observed since the last time allow; returns r_t, their mean
        sign."""
        with torch.enable_grad():
            total, number = distributed.mean(self.signs)
        overfit = float(total / number.clamp(min=1))
        step = float(number) * distributed.count() / (1000 * self.kimg)
        self.p.add_(step * (1 if overfit > self.target else -1)).clamp_(self.least, self.limit)
        self.signs.zero_()
        return overfit


def augment(images: Tensor, p: float | Tensor, rng: distributed.Random) -> Tensor:
    """images: float32 [n, 4, h, h], RGB and alpha in [-1, 1] -> the same shape.

    Each kind of change (place, colour, hole) is drawn for each image with probability p.
    """
    return erase_square(change_colour(move(images, p, rng), p, rng), p, rng)


def move(images: Tensor, p: float | Tensor, rng: distributed.Random) -> Tensor:
    """Turns, scales and shifts all channels alike; the border is continued by reflection."""
    count, device = len(images), images.device
    placed = (distributed.uniform(count, rng=rng, device=device) < p).float()
    turn = distributed.normal(count, rng=rng, device=device) * TURN_STD * placed
    scale = torch.exp2(distributed.normal(count, rng=rng, device=device) * SCALE_STD * placed)
    shift = distributed.uniform(count, 2, rng=rng, device=device) * 2 - 1
    shift = shift * 2 * MAX_SHIFT * placed[:, None]
    first = torch.stack([scale * turn.cos(), -scale * turn.sin(), shift[:, 0]], 1)
    second = torch.stack([scale * turn.sin(), scale * turn.cos(), shift[:, 1]], 1)
    grid = F.affine_grid(torch.stack([first, second], 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def change_colour(images: Tensor, p: float | Tensor, rng: distributed.Random) -> Tensor:
    """Brightness, contrast and saturation of RGB; alpha is returned as it came."""
    colour, alpha, device = images[:, :3], images[:, 3:], images.device
    chosen = (distributed.uniform(len(images), rng=rng, device=device) < p).float()

    def drawn(deviation: float) -> Tensor:
        deviations = distributed.normal(len(images), rng=rng, device=device) * deviation
        return (deviations * chosen)[:, None, None, None]

    grey = sum(weight * colour[:, i : i + 1] for i, weight in enumerate(LUMA))
    colour = grey + (colour - grey) * torch.exp2(drawn(SATURATION_STD))
    return torch.cat([colour * torch.exp2(drawn(CONTRAST_STD)) + drawn(BRIGHTNESS_STD), alpha], 1)


def erase_square(images: Tensor, p: float | Tensor, rng: distributed.Random) -> Tensor:
    """Sets all channels of a square to zero; its centre is anywhere in the picture."""
    count, size, device = len(images), images.shape[-1], images.device
    chosen = distributed.uniform(count, rng=rng, device=device) < p
    centre = distributed.uniform(count, 2, rng=rng, device=device).t()[..., None]
    inside = ((torch.arange(size, device=device) + 0.5) / size - centre).abs() < HOLE / 2
    hole = inside[0, :, :, None] & inside[1, :, None, :] & chosen[:, None, None]
    return images * (~hole)[:, None]


def soften(images: Tensor, sigma: float | Tensor) -> Tensor:
    """A Gaussian blur of `sigma` pixels, [n, c, h, h]; a tensor, so that a CUDA graph can be
    replayed with another.

    On real and generated images alike and fading out, it keeps the discriminator from judging by
    sharpness alone while the generator can't make any (arXiv 2106.12423, appendix G).
    """
    place = torch.arange(images.shape[-1], device=images.device)
    taps = torch.exp(-0.5 * ((place[:, None] - place) / sigma).square())
    taps = taps / taps.sum(1, keepdim=True)
    return taps @ images @ taps.t()
