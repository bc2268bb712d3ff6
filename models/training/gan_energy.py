"""Matching of distributions without a discriminator: the energy distance of frozen features.

Twice the mean distance between generated and real images, minus that among generated ones (Szekely and Rizzo 2013): it
is least where both have one distribution, and there is nothing that could win against blurry images.
"""

import torch
from torch import Tensor, nn

from models.frozen_features import FrozenResNet

STAGES = 4  # the last one, on whose means models.distribution measures, is left out
CHUNK = 50
Statistics = list[Tensor]
"""One [n, d] a stage: mean and deviation over space, of composites and of alphas."""


class EnergyDistance(nn.Module):
    """Of generated images from a bank of real ones; several processes compare each its own images."""

    def __init__(self, features: FrozenResNet, bank: Tensor) -> None:
        """bank: views of real images as `forward` takes them."""
        super().__init__()
        self._features = [features]  # in a list: frozen, shared with the losses, and no part of the state
        count = len(bank) // 2
        with torch.no_grad():
            parts = [
                self._statistics(torch.cat([bank[:count][i : i + CHUNK], bank[count:][i : i + CHUNK]]))
                for i in range(0, count, CHUNK)
            ]
            self._reals = [torch.cat(stage) for stage in zip(*parts, strict=True)]
            self._shifts = [stage.mean(0) for stage in self._reals]
            self._scales = [stage.std(0) + 0.05 * stage.std(0).mean() for stage in self._reals]
            self._reals = self._whitened(self._reals)

    def forward(self, views: Tensor) -> Tensor:
        """views: composites, then as many alphas as grey pictures, [2 n, 3, h, w] in [-1, 1], n >= 2."""
        distances = []
        for fake, real in zip(self._whitened(self._statistics(views)), self._reals, strict=True):
            n, d = fake.shape
            identity = torch.eye(n, device=fake.device)
            squares = (fake[:, None] - fake[None]).square().sum(2)
            among = ((squares + identity).sqrt() * (1 - identity)).sum() / (n * (n - 1))
            distances.append((2 * torch.cdist(fake, real).mean() - among) / d**0.5)
        return torch.stack(distances).mean()

    def _statistics(self, views: Tensor) -> Statistics:
        count, stages = len(views) // 2, []
        for maps in self._features[0](views, STAGES):
            pooled = torch.cat([maps.mean((2, 3)), (maps.var((2, 3)) + 1e-4).sqrt()], 1)
            stages.append(torch.cat([pooled[:count], pooled[count:]], 1))
        return stages

    def _whitened(self, statistics: Statistics) -> Statistics:
        parts = zip(statistics, self._shifts, self._scales, strict=True)
        return [(stage - shift) / scale for stage, shift, scale in parts]
