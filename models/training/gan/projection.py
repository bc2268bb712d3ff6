"""The frozen-feature discriminator: small heads on randomly mixed features of several depths (arXiv
2111.01007).

A head on one frozen stage soon tells blurry from sharp by a few channels. Random mixing across
channels and scales hides those, so that many differences have to be found. It sees what a matte is
used for: the subject over another background, as the vision-aided discriminator of arXiv 2305.02981
does, and beside it the alpha as a grey picture.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from models.networks.frozen_features import CHANNELS, FrozenResNet

STAGES = 4  # frozen stages judged
WIDTH = 64


class RandomMixing(nn.Module):
    """Frozen random convolutions: 1x1 across the channels of each stage, then 3x3 from the deepest
    stage to the first.

    scales: mean magnitude of each stage's features, [stages].
    """

    scales: Tensor

    def __init__(self, stages: int = STAGES, width: int = WIDTH) -> None:
        super().__init__()
        self.across_channels = nn.ModuleList(
            nn.Conv2d(c, width, 1, bias=False) for c in CHANNELS[:stages]
        )
        self.across_scales = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(stages)
        )
        for layer in (*self.across_channels, *self.across_scales):
            nn.init.kaiming_normal_(layer.get_parameter("weight"), nonlinearity="linear")
        self.register_buffer("scales", torch.ones(stages))
        self.requires_grad_(False)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Frozen maps, largest first -> as many of `width` channels, each with what the deeper ones
        saw mixed in."""
        mixed: list[Tensor] = []
        deeper: Tensor | None = None
        for stage in reversed(range(len(maps))):
            x = self.across_channels[stage](maps[stage] / self.scales[stage])
            if deeper is not None:
                x = (
                    x + F.interpolate(deeper, x.shape[2:], mode="bilinear", align_corners=False)
                ) * 0.5**0.5
            deeper = self.across_scales[stage](x)
            mixed.insert(0, deeper)
        return mixed


class ProjectedDiscriminator(nn.Module):
    """Composites and alphas -> logits, one a head and place; only the heads learn."""

    def __init__(self, features: FrozenResNet, stages: int = STAGES, width: int = WIDTH) -> None:
        super().__init__()
        self._features = [
            features
        ]  # in a list: frozen, shared with the losses, and no part of the state
        self.mixing = RandomMixing(stages, width)
        self.heads = nn.ModuleList(_head(width) for _ in range(2 * stages))

    @torch.no_grad()
    def measure_scales(self, rgb_pm1: Tensor) -> None:
        """Sets the mixing's scales from pictures [n, 3, h, w] in [-1, 1]."""
        maps = self._features[0](rgb_pm1, len(self.mixing.scales))
        self.mixing.scales.copy_(torch.stack([stage.mean() for stage in maps]))

    def forward(self, views: Tensor) -> list[Tensor]:
        """views: composites, then as many alphas as grey pictures, [2 n, 3, h, w] in [-1, 1] -> 2 *
        stages logits."""
        count = len(views) // 2
        mixed = self.mixing(self._features[0](views, len(self.mixing.scales)))
        parts = [part for maps in mixed for part in (maps[:count], maps[count:])]
        return [head(part) for head, part in zip(self.heads, parts, strict=True)]


def _head(width: int) -> nn.Sequential:
    return nn.Sequential(
        spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(width, 1, 1)),
    )


def hinge_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """The discriminator's loss, mean over places and heads (arXiv 1705.02894)."""
    losses = [F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def generator_loss(fake: list[Tensor]) -> Tensor:
    return -torch.stack([logits.mean() for logits in fake]).mean()
