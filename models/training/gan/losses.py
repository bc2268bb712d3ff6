"""What the RGBA discriminator of StyleMatteGAN (arXiv 1912.04958) and a batch's composites are made
of.

The generator's adversarial gradients are measured against an anchor's, at the images.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.imaging.tensors import to_pm1
from models.networks.discriminator import build_discriminator
from models.training import distributed
from models.training.gan.corpus import smooth_backgrounds
from models.training.gan.presets import GanPreset


class RgbaDiscriminator(nn.Module):
    """The residual discriminator, perhaps after a pixel unshuffle: images [n, 4, h, h] -> logits
    [n, 1]."""

    def __init__(self, preset: GanPreset) -> None:
        super().__init__()
        self.unshuffle = preset.unshuffle
        size, channels = preset.resolution // self.unshuffle, 4 * self.unshuffle**2
        shape = {"img_resolution": size, "img_channels": channels}
        self.net = build_discriminator({**preset.discriminator, **shape}).train()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(F.pixel_unshuffle(images, self.unshuffle))
        return logits


class GradientBalance(nn.Module):
    """Sums gradients at the images so that each adversarial one has a set norm relative to an
    anchor's."""

    norms: Tensor

    def __init__(self, sources: int, rate: float = 0.02) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("norms", torch.zeros(sources + 1))

    def forward(self, anchor: Tensor, others: list[Tensor], ratios: list[float]) -> Tensor:
        """anchor, others: gradients of one shape -> anchor + sum of ratio * others, by running
        norms."""
        squares = torch.stack([gradient.square().sum() for gradient in (anchor, *others)])
        current = (distributed.mean(squares) / distributed.count()).sqrt()
        self.norms.copy_(current if not self.norms.any() else self.norms.lerp(current, self.rate))
        total = anchor.clone()
        for gradient, norm, ratio in zip(others, self.norms[1:], ratios, strict=True):
            total += gradient * (ratio * self.norms[0] / norm.clamp(min=1e-12))
        return total


def over_backgrounds(images: Tensor, rng: torch.Generator, bank: Tensor | None = None) -> Tensor:
    """RGBA [n, 4, h, h] in [-1, 1] -> RGB [n, 3, h, h]: the colour times alpha over other
    backgrounds.

    bank: real backgrounds, uint8 [m, 3, h, h], drawn at random and mirrored; None draws smooth
    ones.
    """
    count, size = len(images), images.shape[-1]
    colour, alpha = images[:, :3], (images[:, 3:].clamp(-1, 1) + 1) / 2
    if bank is None:
        behind = smooth_backgrounds(count, size, rng)
    else:
        behind = to_pm1(bank[distributed.integers(len(bank), count, rng)])
        mirrored = distributed.uniform(count, rng=rng) < 0.5
        behind = torch.where(mirrored[:, None, None, None], behind.flip(3), behind)
    return colour * alpha + behind.to(images.device) * (1 - alpha)


def r1_penalty(discriminator: nn.Module, images: Tensor) -> Tensor:
    """Mean squared norm of the logits' gradient at real images (arXiv 1801.04406, equation 9
    without gamma / 2)."""
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()
