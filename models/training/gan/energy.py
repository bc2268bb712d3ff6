"""Matching of distributions without a discriminator: the energy distance of frozen features.

Twice the mean distance between generated and real images, minus that among generated ones (Szekely
and Rizzo 2013): it is least where both have one distribution, and there is nothing that could win
against blurry images. Two kinds of features are matched: their means and deviations over the
picture, and themselves, place by place, where a blurry edge is far from every real one (compare
arXiv 1904.02762, which matches their moments).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.frozen_features import FrozenResNet

STAGES = 4  # the last one, on whose means models.metrics.frechet measures, is left out
CHUNK = 50
LOCAL_WEIGHT = 4.0  # of the distance by place
PLACE_BANK = 500  # real images at most whose places are kept: 250 MB at 64 px, 1 GB at 128 px
PLACES = 48  # of each stage, drawn for each batch
REALS = 64  # real images that a place of the batch is compared with, drawn too
DIRECTIONS = 8  # through the features of a place, drawn at random, that are looked at together
TURNED = 256  # directions in all, at most: as many as there are features
Maps = list[Tensor]
"""One [n, c, h, w] a stage: features of composites and of alphas side by side."""


class EnergyDistance(nn.Module):
    """Distance of generated images from a bank of real ones; several processes compare each its own
    images."""

    def __init__(
        self, features: FrozenResNet, bank: Tensor, attention: Tensor | None = None
    ) -> None:
        """bank: views of real images as `forward` takes them; attention: [h, w], how often places
        are drawn."""
        super().__init__()
        self._features = [
            features
        ]  # in a list: frozen, shared with the losses, and no part of the state
        count = len(bank) // 2
        attention = bank.new_ones(bank.shape[2:]) if attention is None else attention
        pictures, places = list[Maps](), list[Maps]()
        with torch.no_grad():
            for i in range(0, count, CHUNK):
                maps = self._maps(
                    torch.cat([bank[:count][i : i + CHUNK], bank[count:][i : i + CHUNK]])
                )
                pictures.append([_statistics(stage) for stage in maps])
                places.append(
                    [_by_place(stage[:: -(-count // PLACE_BANK)]).half() for stage in maps]
                )
            self._pictures = [_Whitened(torch.cat(stage)) for stage in zip(*pictures, strict=True)]
            self._places = [_Whitened(torch.cat(stage, 1)) for stage in zip(*places, strict=True)]
            self._chances = [
                F.interpolate(attention[None, None], stage.shape[2:], mode="area").flatten().cpu()
                for stage in maps
            ]

    def forward(self, views: Tensor, rng: torch.Generator) -> Tensor:
        """views: composites, then as many alphas as grey pictures, [2 n, 3, h, w] in [-1, 1], n >=
        2."""
        distances = []
        for maps, pictures, places, chances in zip(
            self._maps(views), self._pictures, self._places, self._chances, strict=True
        ):
            whole = energy_distance(pictures.whiten(_statistics(maps))[None], pictures.reals[None])
            drawn = torch.multinomial(chances, min(PLACES, len(chances)), generator=rng).to(
                maps.device
            )
            chosen = torch.randint(places.reals.shape[1], (REALS,), generator=rng).to(maps.device)
            ours = places.whiten(_by_place(maps), drawn)
            width = ours.shape[2]
            turn = (
                torch.randn(width, min(width, TURNED), generator=rng).to(maps.device) / width**0.5
            )
            theirs = places.reals[drawn[:, None], chosen].float()
            distances.append(
                whole
                + LOCAL_WEIGHT * energy_distance(_grouped(ours @ turn), _grouped(theirs @ turn))
            )
        return torch.stack(distances).mean()

    def _maps(self, views: Tensor) -> Maps:
        count = len(views) // 2
        return [
            torch.cat([maps[:count], maps[count:]], 1) for maps in self._features[0](views, STAGES)
        ]


class _Whitened:
    """Real images' features by group, [groups, n, d] or [n, d], and how to put others on their
    scale."""

    def __init__(self, features: Tensor) -> None:
        single = features.float()
        self._shift = single.mean(-2, keepdim=True)
        deviation = single.std(-2, keepdim=True)
        self._scale = deviation + 0.05 * deviation.mean()
        self.reals = self.whiten(single).to(features.dtype)

    def whiten(self, features: Tensor, groups: Tensor | slice = slice(None)) -> Tensor:
        """features: as the real ones; groups: which of them to give back."""
        return (features[groups] - self._shift[groups]) / self._scale[groups]


def energy_distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """Mean over groups, in units of the features' own spread: [groups, n, d], [groups, m, d] -> a
    scalar; n >= 2."""
    n, d = ours.shape[1:]
    identity = torch.eye(n, device=ours.device)
    squares = (ours[:, :, None] - ours[:, None]).square().sum(3)
    among = ((squares + identity).sqrt() * (1 - identity)).sum((1, 2)) / (n * (n - 1))
    products = ours @ theirs.transpose(1, 2)  # several times as fast as torch.cdist's gradient
    squares = ours.square().sum(2)[:, :, None] + theirs.square().sum(2)[:, None] - 2 * products
    return ((2 * squares.clamp(min=1e-6).sqrt().mean((1, 2)) - among) / d**0.5).mean()


def _statistics(maps: Tensor) -> Tensor:
    """[n, c, h, w] -> means and deviations over space [n, 2 c]."""
    return torch.cat([maps.mean((2, 3)), (maps.var((2, 3)) + 1e-4).sqrt()], 1)


def _by_place(maps: Tensor) -> Tensor:
    """[n, c, h, w] -> [places, n, c]."""
    return maps.flatten(2).permute(2, 0, 1)


def _grouped(features: Tensor) -> Tensor:
    """[places, n, d] -> [groups, n, DIRECTIONS]."""
    places, count, _ = features.shape
    return features.view(places, count, -1, DIRECTIONS).transpose(1, 2).flatten(0, 1)
