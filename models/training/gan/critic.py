"""The RGBA discriminator of the portrait presets: residual blocks with average pooling.

Like the one of arXiv 1912.04958, but pooled by averaging instead of by a depthwise filter, whose
double backward (R1) costs 17 discriminator steps on a GPU. Pictures above BASE pixels enter beside
the pooled picture through blocks that add nothing at first.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.networks.discriminator import build_discriminator, minibatch_stddev

BASE = 64  # pixels a side at which the residual blocks begin
GROUP = 4  # images of a minibatch deviation


class EqualConv(nn.Module):
    """A convolution with equalised learning rate (arXiv 1710.10196), then perhaps sqrt(2) leaky
    relu."""

    def __init__(
        self, channels: int, out: int, size: int, *, activate: bool = True, zero: bool = False
    ) -> None:
        super().__init__()
        shape = (out, channels, size, size)
        self.weight = nn.Parameter(torch.zeros(shape) if zero else torch.randn(shape))
        self.bias = nn.Parameter(torch.zeros(out))
        self.activate = activate
        self.bias_gain = 2**0.5 if activate else 1.0
        self.weight_gain = (channels * size**2) ** -0.5 * self.bias_gain

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight * self.weight_gain, self.bias * self.bias_gain
        x = F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), padding=weight.shape[-1] // 2)
        return F.leaky_relu(x, 0.2) if self.activate else x


class PooledBlock(nn.Module):
    """(conv, pool, conv) plus (pool, 1x1): [n, c, h, w] -> [n, c', h/2, w/2]."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv0, self.conv1 = EqualConv(channels, channels, 3), EqualConv(channels, out, 3)
        self.skip = EqualConv(channels, out, 1, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        main = self.conv1(F.avg_pool2d(self.conv0(x), 2))
        total: Tensor = main + self.skip(F.avg_pool2d(x, 2))
        return total * 0.5**0.5


class PixelEntry(nn.Module):
    """Pixels of one size, and what finer ones gave -> what is added at half the size; nothing at
    first."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.rgb, self.conv0 = EqualConv(4, channels, 1), EqualConv(channels, channels, 3)
        self.conv1 = EqualConv(channels, out, 3, activate=False, zero=True)

    def forward(self, image: Tensor, finer: Tensor | None) -> Tensor:
        x = self.rgb(image)
        x = x if finer is None else x + finer
        added: Tensor = self.conv1(F.avg_pool2d(self.conv0(x), 2))
        return added


class Critic(nn.Module):
    """RGBA [n, 4, r, r] in [-1, 1] -> logits [n, 1], higher: more real. In float32 or bfloat16."""

    def __init__(self, resolution: int, channel_base: int = 8192, channel_max: int = 192) -> None:
        super().__init__()

        def channels(size: int) -> int:
            return min(channel_base // size, channel_max)

        size = min(resolution, BASE)
        self.rgb = EqualConv(4, channels(size), 1)
        self.entries, self.blocks = nn.ModuleList(), nn.ModuleList()
        finer = resolution
        while finer > size:
            self.entries.append(PixelEntry(channels(finer), channels(finer // 2)))
            finer //= 2
        while size > 4:
            self.blocks.append(PooledBlock(channels(size), channels(size // 2)))
            size //= 2
        last = channels(4)
        self.last = EqualConv(last + 1, last, 3)
        self.fc = EqualConv(last * 16, last, 1)
        self.out = EqualConv(last, 1, 1, activate=False)

    def forward(
        self, images: Tensor, dtype: torch.dtype = torch.float32, batches: int = 1
    ) -> Tensor:
        """dtype: of the layers; batches: how many batches lie behind each other, whose deviations
        are taken apart."""
        images = images.to(dtype).contiguous(memory_format=torch.channels_last)
        added: Tensor | None = None
        for entry in self.entries:
            added = entry(images, added)
            images = F.avg_pool2d(images, 2)
        x = self.rgb(images)
        x = x if added is None else x + added
        for block in self.blocks:
            x = block(x)
        deviation = torch.cat(
            [minibatch_stddev(part, GROUP, 1) for part in x.float().chunk(batches)]
        )
        x = self.last(torch.cat([x, deviation.to(dtype)], 1)).flatten(1)[:, :, None, None]
        logits: Tensor = self.out(self.fc(x).float())
        return logits.flatten(1)


class ReferenceCritic(nn.Module):
    """The discriminator of arXiv 1912.04958 in the critic's place, in float32."""

    def __init__(self, resolution: int, **channels: int) -> None:
        super().__init__()
        shape = {"img_resolution": resolution, "img_channels": 4, "num_fp16_res": 0}
        self.net = build_discriminator({**channels, **shape}).train()

    def forward(self, images: Tensor, dtype: torch.dtype, batches: int = 1) -> Tensor:
        return torch.cat([self.net(part) for part in images.chunk(batches)])
