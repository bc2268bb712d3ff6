"""The residual discriminator of StyleGAN2 (arXiv 1912.04958), for images with an alpha channel.

Modules and buffers have the reference's names, so `state_dict()` is the reference layout. Every
operation can be differentiated twice, which the R1 penalty needs.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.kernels.device import half_dtype
from models.kernels.resample import band, resample

BLUR = (1.0, 3.0, 3.0, 1.0)
EPILOGUE_KEYS = ("mbstd_group_size", "mbstd_num_channels")


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    img_resolution: int  # pixels, a power of two
    img_channels: int
    c_dim: int = 0  # width of the conditioning label; only unconditional networks exist here
    channel_base: int = 32768  # channels at resolution r: channel_base / r, at most channel_max
    channel_max: int = 512
    num_fp16_res: int = 4  # highest resolutions in half precision (`half_dtype`), on CUDA only
    conv_clamp: float | None = (
        256  # activations are clamped to +- this, so that float16 can't overflow
    )
    mbstd_group_size: int = 4  # images per minibatch standard deviation group
    mbstd_num_channels: int = 1  # channels that the statistic adds

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != "conv_clamp" and type(getattr(self, field.name)) is not int:
                raise ValueError(
                    f"{field.name} must be an integer, not {getattr(self, field.name)!r}"
                )
        resolution = self.img_resolution
        if not (8 <= resolution <= 1024 and resolution.bit_count() == 1):
            raise ValueError(
                f"img_resolution must be a power of two from 8 to 1024, not {resolution}"
            )
        if self.c_dim != 0:
            raise ValueError(f"c_dim must be 0, not {self.c_dim}")
        for name in (
            "img_channels",
            "channel_base",
            "channel_max",
            "mbstd_group_size",
            "mbstd_num_channels",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.channel_base < resolution:
            raise ValueError(
                f"channel_base must be at least img_resolution, not {self.channel_base}"
            )
        if self.channels(4) % self.mbstd_num_channels:
            raise ValueError(
                f"mbstd_num_channels must divide {self.channels(4)}, not {self.mbstd_num_channels}"
            )

    @classmethod
    def from_dict(cls, kwargs: Mapping[str, Any]) -> "DiscriminatorConfig":
        """From the reference's keyword arguments; unknown keys raise ValueError."""
        flat = {key: value for key, value in kwargs.items() if key != "epilogue_kwargs"}
        epilogue = kwargs.get("epilogue_kwargs", {})
        known = {field.name for field in fields(cls)} - set(EPILOGUE_KEYS)
        if unknown := sorted(flat.keys() - known) + sorted(epilogue.keys() - set(EPILOGUE_KEYS)):
            raise ValueError(f"unknown discriminator settings: {', '.join(unknown)}")
        return cls(**flat, **epilogue)

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` takes, as JSON."""
        flat = asdict(self)
        epilogue = {key: flat.pop(key) for key in EPILOGUE_KEYS}
        return {**flat, "epilogue_kwargs": epilogue}

    def channels(self, resolution: int) -> int:
        return min(self.channel_base // resolution, self.channel_max)


def lrelu(x: Tensor, bias: Tensor, *, gain: float = 1.0, clamp: float | None = None) -> Tensor:
    """sqrt(2) leaky_relu(x + bias, 0.2), times `gain`; the clamp is scaled by `gain` too."""
    x = F.leaky_relu(x + bias.to(x.dtype).reshape(-1, *[1] * (x.ndim - 2)), 0.2) * (
        math.sqrt(2) * gain
    )
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


def blur(x: Tensor, kernel: Tensor, *, padding: int, stride: int = 1) -> Tensor:
    """Depthwise FIR filter with zero padding; with a stride, only the kept samples are computed.

    kernel: [k, k], of unit sum and separable. On CUDA products with banded matrices do it: a second
    derivative, which R1 needs, took some thirty times a step as a convolution's.
    """
    if x.is_cuda:
        line, sides = _line(kernel, kernel._version), (padding, padding)
        bands = (band(line, size, down=stride, padding=sides, like=x) for size in x.shape[2:])
        return resample(x, *bands)
    weight = kernel.to(x.dtype).expand(x.shape[1], 1, *kernel.shape)
    return F.conv2d(x, weight, stride=stride, padding=padding, groups=x.shape[1])


@lru_cache(maxsize=64)  # of buffers by identity
@torch.no_grad()
def _line(kernel: Tensor, version: int) -> Tensor:
    """The taps that a separable kernel is the outer product of, as a convolution takes them."""
    return kernel.double().sum(1).flip(0)


class Conv(nn.Module):
    """Convolution with equalised learning rate (1710.10196), optionally blurred and decimated by
    two, then leaky relu.

    Without a bias it is linear: the residual branch's shortcut.
    """

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: int,
        *,
        down: int = 1,
        bias: bool = True,
        clamp: float | None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, size, size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.register_buffer("resample_filter", blur_kernel())
        self.down, self.clamp, self.padding = down, clamp, size // 2
        self.weight_gain = 1 / math.sqrt(in_channels * size**2)

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        size = self.weight.shape[-1]
        weight = (self.weight * self.weight_gain).to(x.dtype)
        if self.down == 1:
            x = F.conv2d(x, weight, padding=self.padding)
        elif size == 1:
            x = F.conv2d(blur(x, self.resample_filter, padding=1, stride=2), weight)
        else:
            x = F.conv2d(blur(x, self.resample_filter, padding=self.padding + 1), weight, stride=2)
        return x * gain if self.bias is None else lrelu(x, self.bias, gain=gain, clamp=self.clamp)


class Linear(nn.Module):
    """Fully connected layer with equalised learning rate."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.weight_gain = 1 / math.sqrt(in_features)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.weight_gain)


class Block(nn.Module):
    """(conv, conv and decimate) plus shortcut, each times sqrt(1/2); [n, c, h, w] -> [n, c', h/2,
    w/2]."""

    def __init__(self, config: DiscriminatorConfig, resolution: int) -> None:
        super().__init__()
        channels, out_channels = config.channels(resolution), config.channels(resolution // 2)
        clamp = config.conv_clamp
        self.register_buffer("resample_filter", blur_kernel())
        self.fromrgb: Conv | None = None
        if resolution == config.img_resolution:
            self.fromrgb = Conv(config.img_channels, channels, 1, clamp=clamp)
        self.conv0 = Conv(channels, channels, 3, clamp=clamp)
        self.conv1 = Conv(channels, out_channels, 3, down=2, clamp=clamp)
        self.skip = Conv(channels, out_channels, 1, down=2, bias=False, clamp=None)
        self.runs_in_half = resolution > config.img_resolution >> config.num_fp16_res

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(half_dtype() if self.runs_in_half and x.is_cuda else torch.float32)
        if self.fromrgb is not None:
            x = self.fromrgb(x)
        shortcut = self.skip(x, gain=math.sqrt(0.5))
        return cast(Tensor, shortcut + self.conv1(self.conv0(x), gain=math.sqrt(0.5)))


class Epilogue(nn.Module):
    """Minibatch standard deviation (1710.10196), convolution and two linear layers; [n, c, 4, 4] ->
    logits [n, 1]."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        channels = config.channels(4)
        self.group_size, self.extra_channels = config.mbstd_group_size, config.mbstd_num_channels
        self.conv = Conv(channels + self.extra_channels, channels, 3, clamp=config.conv_clamp)
        self.fc = Linear(channels * 4 * 4, channels)
        self.out = Linear(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(torch.float32)
        x = torch.cat([x, minibatch_stddev(x, self.group_size, self.extra_channels)], dim=1)
        x = lrelu(self.fc(self.conv(x).flatten(1)), self.fc.bias)
        return cast(Tensor, self.out(x) + self.out.bias)


def minibatch_stddev(x: Tensor, group_size: int, channels: int) -> Tensor:
    """Deviation over groups of images, averaged over pixels and channel slices; [n, c, h, w] -> [n,
    channels, h, w].

    Groups are strided: with m groups, image i is in group i mod m. Batches that `group_size` does
    not divide use the largest smaller size that does.
    """
    n, c, h, w = x.shape
    size = next(size for size in range(min(group_size, n), 0, -1) if n % size == 0)
    groups = x.reshape(size, n // size, channels, c // channels, h, w)
    deviation = (
        (groups.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=[2, 3, 4])
    )  # [n // size, channels]
    return deviation.repeat(size, 1)[:, :, None, None].expand(n, channels, h, w)


def blur_kernel() -> Tensor:
    taps = torch.tensor(BLUR) / sum(BLUR)
    return taps.outer(taps)


class Discriminator(nn.Module):
    """`d(x) -> logits`: x float32 [n, c, r, r], RGB and alpha in [-1, 1]; logits float32 [n, 1],
    higher: more real."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.resolutions = [2**i for i in range(config.img_resolution.bit_length() - 1, 2, -1)]
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", Block(config, resolution))
        self.b4 = Epilogue(config)

    def forward(self, x: Tensor) -> Tensor:
        expected = (
            self.config.img_channels,
            self.config.img_resolution,
            self.config.img_resolution,
        )
        if x.shape[1:] != expected:
            raise ValueError(
                f"the discriminator takes images of shape {expected}, not {tuple(x.shape[1:])}"
            )
        for resolution in self.resolutions:
            x = self.get_submodule(f"b{resolution}")(x)
        return cast(Tensor, self.b4(x))

    def load_reference_state(self, state: Mapping[str, Tensor]) -> None:
        """Load a state with the reference's names; RuntimeError names what is missing, unexpected
        or misshaped."""
        self.load_state_dict(dict(state), strict=True)


def build_discriminator(kwargs: Mapping[str, Any]) -> Discriminator:
    """A fresh discriminator in eval mode from the reference's keyword arguments; ValueError if they
    are invalid."""
    return Discriminator(DiscriminatorConfig.from_dict(kwargs)).eval()
