"""The projected discriminator: small heads on randomly mixed frozen features of four depths (arXiv
2111.01007).

A head on one frozen map soon tells blurry from sharp by a few channels. Random mixing across
channels and scales hides those, so that many differences have to be found. It sees what a matte is
used for: half of the pictures as they are, half with the subject over another background, as the
vision-aided discriminator of arXiv 2305.02981 does.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.efficientnet import CHANNELS, EfficientNetLite0

WIDTH, HIDDEN = 64, 96  # channels of the mixed maps and of the heads
POWER_ITERATIONS = 10  # at first


class SpectralConv(nn.Module):
    """A convolution divided by its largest singular value (arXiv 1802.05957), which `iterate`
    follows."""

    u: Tensor
    v: Tensor

    def __init__(self, channels: int, out: int, size: int, stride: int = 1) -> None:
        super().__init__()
        made = nn.Conv2d(channels, out, size, stride)
        assert made.bias is not None
        self.weight, self.bias = made.weight, made.bias
        self.stride, self.padding = stride, 1
        self.register_buffer("u", F.normalize(torch.randn(out), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(channels * size**2), dim=0))
        for _ in range(POWER_ITERATIONS):
            self.iterate()

    @torch.no_grad()
    def iterate(self) -> None:
        """Does one power iteration."""
        matrix = self.weight.flatten(1)
        self.v.copy_(F.normalize(matrix.t() @ self.u, dim=0))
        self.u.copy_(F.normalize(matrix @ self.v, dim=0))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight / (self.u @ self.weight.flatten(1) @ self.v)
        return F.conv2d(x, weight.to(x.dtype), self.bias.to(x.dtype), self.stride, self.padding)


class ProjectedDiscriminator(nn.Module):
    """Pictures -> logits, one tensor a depth; only the heads learn.

    scales: mean magnitude of each frozen map, [4].
    """

    scales: Tensor

    def __init__(self, features: EfficientNetLite0 | None = None) -> None:
        """features: shared with others; None loads them. Raises FileNotFoundError without the
        weights."""
        super().__init__()
        # In a list: frozen, and no part of the state.
        self._features = [features or EfficientNetLite0()]
        self.across = nn.ModuleList(nn.Conv2d(c, WIDTH, 1, bias=False) for c in CHANNELS)
        self.mix = nn.ModuleList(
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False) for _ in CHANNELS
        )
        for layer in (*self.across, *self.mix):
            nn.init.kaiming_normal_(layer.get_parameter("weight"), nonlinearity="linear")
            layer.requires_grad_(False)
        self.register_buffer("scales", torch.ones(len(CHANNELS)))
        self.heads = nn.ModuleList(_head(max(3 - depth, 0)) for depth in range(len(CHANNELS)))

    def place(self, device: torch.device | str, dtype: torch.dtype) -> None:
        """Moves all of it to a device; the frozen part computes in dtype."""
        self.to(device)
        self._features[0].to(device, dtype)
        self._features[0].to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def measure_scales(self, rgb_pm1: Tensor) -> None:
        """Sets the scales from pictures [n, 3, h, w] in [-1, 1]."""
        self.scales.copy_(torch.stack([m.float().abs().mean() for m in self.maps(rgb_pm1)]))

    def maps(self, rgb_pm1: Tensor) -> list[Tensor]:
        """[n, 3, h, w] in [-1, 1] -> the frozen maps, largest first."""
        pictures = rgb_pm1.to(self._features[0].stem.weight.dtype)
        maps: list[Tensor] = self._features[0](
            pictures.contiguous(memory_format=torch.channels_last)
        )
        return maps

    def judge(self, maps: list[Tensor]) -> list[Tensor]:
        """Frozen maps -> logits of patches, float32, a tensor a head."""
        logits: list[Tensor] = []
        deeper: Tensor | None = None
        for depth in reversed(range(len(maps))):
            across = self.across[depth].get_parameter("weight") / self.scales[depth]
            x = F.conv2d(maps[depth], across.to(maps[depth].dtype))
            if deeper is not None:
                raised = F.interpolate(deeper, x.shape[2:], mode="bilinear", align_corners=False)
                x = (x + raised) * 0.5**0.5
            mixing = self.mix[depth].get_parameter("weight").to(x.dtype)
            deeper = F.conv2d(x, mixing, padding=1)
            logits.insert(0, self.heads[depth](deeper).float())
        return logits

    def forward(self, rgb_pm1: Tensor) -> list[Tensor]:
        """[n, 3, h, w] in [-1, 1] -> logits of patches, a tensor a head."""
        return self.judge(self.maps(rgb_pm1))

    def iterate(self) -> None:
        """Follows the heads' largest singular values by one power iteration."""
        for layer in self.heads.modules():
            if isinstance(layer, SpectralConv):
                layer.iterate()


def _head(halvings: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = WIDTH
    for _ in range(halvings):
        layers += [SpectralConv(channels, HIDDEN, 4, 2), nn.LeakyReLU(0.2)]
        channels = HIDDEN
    last = [SpectralConv(channels, HIDDEN, 3), nn.LeakyReLU(0.2), SpectralConv(HIDDEN, 1, 3)]
    return nn.Sequential(*layers, *last)


def hinge_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """The discriminator's loss, mean over places and heads (arXiv 1705.02894)."""
    losses = [F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def generator_loss(fake: list[Tensor]) -> Tensor:
    """The generator's loss: how little its pictures please, mean over places and heads."""
    return -torch.stack([logits.mean() for logits in fake]).mean()
