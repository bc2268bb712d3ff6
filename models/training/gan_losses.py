"""The two discriminators of StyleMatteGAN's second stage and what they say about a batch.

One sees RGBA (arXiv 1912.04958), one the frozen features of the subject composited over another background, as the
vision-aided discriminator of arXiv 2305.02981 does. The generator's adversarial gradient is measured against that of
the reconstruction, at the images.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.discriminator import build_discriminator
from models.frozen_features import FrozenResNet
from models.training.gan_data import smooth_backgrounds

CHANNELS = (64, 128, 256, 512, 1024)  # of the frozen stages
WIDTH = 48


class RgbaDiscriminator(nn.Module):
    """The residual discriminator after a pixel unshuffle of 2: images [n, 4, h, h] -> logits [n, 1]."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.net = build_discriminator(
            {"img_resolution": size // 2, "img_channels": 16, "channel_base": 2048, "channel_max": 128}
        ).train()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(F.pixel_unshuffle(images, 2))
        return logits


class FeatureDiscriminator(nn.Module):
    """A small convolutional head on each frozen stage; scale: mean magnitude of each stage's features."""

    def __init__(self, scales: list[float]) -> None:
        super().__init__()
        self.scales = scales
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(CHANNELS[stage], WIDTH, 1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(WIDTH, 1, 1),
            )
            for stage in range(len(scales))
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        """Maps of the frozen stages -> logits [n, stages], each the mean of a map."""
        logits = [
            head(maps / scale).mean((1, 2, 3))
            for head, maps, scale in zip(self.heads, features, self.scales, strict=True)
        ]
        return torch.stack(logits, 1)


class GradientBalance(nn.Module):
    """Sums gradients at the images so that each adversarial one has a set norm relative to the reconstruction's."""

    norms: Tensor

    def __init__(self, sources: int, rate: float = 0.02) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("norms", torch.zeros(sources + 1))

    def forward(self, reference: Tensor, others: list[Tensor], ratios: list[float]) -> Tensor:
        """reference, others: gradients of one shape -> reference + sum of ratio * others, by running norms."""
        current = torch.stack([reference.norm(), *(gradient.norm() for gradient in others)])
        self.norms.copy_(current if not self.norms.any() else self.norms.lerp(current, self.rate))
        total = reference.clone()
        for gradient, norm, ratio in zip(others, self.norms[1:], ratios, strict=True):
            total += gradient * (ratio * self.norms[0] / norm.clamp(min=1e-12))
        return total


def over_backgrounds(images: Tensor, rng: torch.Generator) -> Tensor:
    """RGBA [n, 4, h, h] in [-1, 1] -> RGB [n, 3, h, h]: the colour times alpha over new smooth backgrounds."""
    colour, alpha = images[:, :3], (images[:, 3:].clamp(-1, 1) + 1) / 2
    return colour * alpha + smooth_backgrounds(len(images), images.shape[-1], rng) * (1 - alpha)


def feature_scales(features: FrozenResNet, images: Tensor, stages: int) -> list[float]:
    """Mean magnitude of each stage on RGB [n, 3, h, w]."""
    with torch.no_grad():
        return [float(maps.mean()) for maps in features(images, stages)]


def r1_penalty(discriminator: nn.Module, images: Tensor) -> Tensor:
    """Mean squared norm of the logits' gradient at real images (arXiv 1801.04406, equation 9 without gamma / 2)."""
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()
