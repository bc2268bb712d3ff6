"""Configuration and layer schedule of the StyleGAN3 generator (arXiv 2106.12423, section 3.2 and
appendix G)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


def _is_power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


def _check_keys(cls: type, values: Mapping[str, Any]) -> None:
    unknown = sorted(set(values) - {f.name for f in fields(cls)})
    if unknown:
        raise ValueError(f"unknown {cls.__name__} keys: {', '.join(unknown)}")


@dataclass(frozen=True, kw_only=True)
class MappingConfig:
    """The mapping network: number of fully connected layers and their learning rate multiplier."""

    num_layers: int = 2
    lr_multiplier: float = 0.01

    def __post_init__(self) -> None:
        if self.num_layers < 1:
            raise ValueError(f"mapping num_layers must be at least 1, got {self.num_layers}")
        if not 0 < self.lr_multiplier <= 1:
            raise ValueError(f"mapping lr_multiplier must be in (0, 1], got {self.lr_multiplier}")


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Everything that determines a generator's shape. Frequencies are in cycles per image, sizes in
    pixels.

    Raises ValueError for values that no generator can be built from.
    """

    img_resolution: int
    img_channels: int = 4
    z_dim: int = 512
    c_dim: int = 0  # length of the condition vector, 0 for none
    w_dim: int = 512
    mapping_kwargs: MappingConfig = field(default_factory=MappingConfig)
    channel_base: int = 32768  # channels of a layer: channel_base / 2 / cutoff, at most channel_max
    channel_max: int = 512
    num_layers: int = 14  # without ToRGB
    num_critical: int = 2  # last layers, critically sampled
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3  # relative to the last cutoff
    margin_size: int = 10  # around the target canvas
    output_scale: float = 0.25
    num_fp16_res: int = 4  # highest resolutions computed in half precision on CUDA
    conv_kernel: int = 3
    filter_size: int = 6  # taps per up- or downsampling factor
    lrelu_upsampling: int = 2  # temporary rate of the nonlinearity, relative to the layer's
    use_radial_filters: bool = False
    conv_clamp: float | None = 256.0
    magnitude_ema_beta: float = 0.999

    def __post_init__(self) -> None:
        dimensions = {
            name: getattr(self, name) for name in ("z_dim", "w_dim", "channel_base", "channel_max")
        }
        checks = {
            "img_resolution must be a power of two from 32 to 1024": (
                _is_power_of_two(self.img_resolution) and 32 <= self.img_resolution <= 1024
            ),
            "img_channels must be 3 or 4": self.img_channels in (3, 4),
            f"dimensions must be positive ({dimensions})": min(dimensions.values()) >= 1,
            "c_dim, margin_size and num_fp16_res must not be negative": (
                min(self.c_dim, self.margin_size, self.num_fp16_res) >= 0
            ),
            "num_critical must be at least 0 and below num_layers": 0
            <= self.num_critical
            < self.num_layers,
            "first_cutoff must be positive and below half the resolution": (
                0 < self.first_cutoff < self.img_resolution / 2
            ),
            "first_stopband must exceed first_cutoff": self.first_stopband > self.first_cutoff,
            "last_stopband_rel must exceed 1": self.last_stopband_rel > 1,
            "conv_kernel must be odd and positive": self.conv_kernel >= 1
            and self.conv_kernel % 2 == 1,
            "filter_size must be positive": self.filter_size >= 1,
            "lrelu_upsampling must be a power of two": _is_power_of_two(self.lrelu_upsampling),
            "conv_clamp must be positive or null": self.conv_clamp is None or self.conv_clamp > 0,
            "magnitude_ema_beta must be in [0, 1]": 0 <= self.magnitude_ema_beta <= 1,
        }
        for message, ok in checks.items():
            if not ok:
                raise ValueError(message)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GeneratorConfig:
        """Reads the reference's keyword layout (`mapping_kwargs` nested). Raises ValueError for
        unknown keys."""
        _check_keys(cls, values)
        mapping = values.get("mapping_kwargs", {})
        _check_keys(MappingConfig, mapping)
        return cls(**{**values, "mapping_kwargs": MappingConfig(**mapping)})

    def to_dict(self) -> dict[str, Any]:
        """The inverse of `from_dict`, made of JSON types only."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """One synthesis layer. Rates are samples per image width; cutoffs and half widths cycles per
    image width."""

    name: str
    in_channels: int
    out_channels: int
    in_size: int
    out_size: int
    in_rate: int
    out_rate: int
    tmp_rate: int  # rate at which the nonlinearity is applied
    in_cutoff: float
    out_cutoff: float
    in_half_width: float
    out_half_width: float
    up: int
    down: int
    up_taps: int  # 1: no filter
    down_taps: int
    radial: bool  # the downsampling filter is radially symmetric
    critical: bool
    to_rgb: bool
    half_precision: bool
    kernel: int
    padding: tuple[
        int, int, int, int
    ]  # of the upsampled signal: x_lo, x_hi, y_lo, y_hi; negative crops

    @property
    def unread(self) -> int:
        """Pixels at each edge of the convolution's output that `padding` crops once they are
        upsampled."""
        low, high = self.padding[:2]
        return max(0, min(-(low // self.up), -high // self.up))

    @property
    def conv_padding(self) -> int:
        """Zeros around the convolution's input, so that it makes what is read of its output;
        negative crops."""
        return self.kernel - 1 - self.unread


@dataclass(frozen=True, kw_only=True)
class _Band:
    cutoff: float
    half_width: float
    rate: int
    size: int
    channels: int


def _band(config: GeneratorConfig, index: int) -> _Band:
    """Cutoff, transition band and sampling of layer `index` (2106.12423, equation 5 of appendix
    G.1)."""
    last_cutoff = config.img_resolution / 2
    exponent = min(index / (config.num_layers - config.num_critical), 1)
    cutoff = config.first_cutoff * (last_cutoff / config.first_cutoff) ** exponent
    last_stopband = last_cutoff * config.last_stopband_rel
    stopband = config.first_stopband * (last_stopband / config.first_stopband) ** exponent
    rate = 2 ** math.ceil(math.log2(min(stopband * 2, config.img_resolution)))
    to_rgb = index == config.num_layers
    return _Band(
        cutoff=cutoff,
        half_width=max(stopband, rate / 2) - cutoff,
        rate=rate,
        size=config.img_resolution
        if index >= config.num_layers - 1
        else rate + 2 * config.margin_size,
        channels=config.img_channels
        if to_rgb
        else round(min(config.channel_base / 2 / cutoff, config.channel_max)),
    )


def _padding(
    source: _Band, target: _Band, up: int, down: int, taps: int, kernel: int
) -> tuple[int, int, int, int]:
    total = (target.size - 1) * down + 1 - (source.size + kernel - 1) * up + taps - 2
    low = (total + up) // 2
    return low, total - low, low, total - low


def _layer(config: GeneratorConfig, index: int) -> LayerSpec:
    to_rgb = index == config.num_layers
    critical = index >= config.num_layers - config.num_critical
    target = _band(config, index)
    source = _band(config, max(index - 1, 0))
    tmp_rate = max(source.rate, target.rate) * (1 if to_rgb else config.lrelu_upsampling)
    up, down = tmp_rate // source.rate, tmp_rate // target.rate
    up_taps = config.filter_size * up if up > 1 and not to_rgb else 1
    down_taps = config.filter_size * down if down > 1 and not to_rgb else 1
    kernel = 1 if to_rgb else config.conv_kernel
    return LayerSpec(
        name=f"L{index}_{target.size}_{target.channels}",
        in_channels=source.channels,
        out_channels=target.channels,
        in_size=source.size,
        out_size=target.size,
        in_rate=source.rate,
        out_rate=target.rate,
        tmp_rate=tmp_rate,
        in_cutoff=source.cutoff,
        out_cutoff=target.cutoff,
        in_half_width=source.half_width,
        out_half_width=target.half_width,
        up=up,
        down=down,
        up_taps=up_taps,
        down_taps=down_taps,
        radial=config.use_radial_filters and not critical,
        critical=critical,
        to_rgb=to_rgb,
        half_precision=target.rate * 2**config.num_fp16_res > config.img_resolution,
        kernel=kernel,
        padding=_padding(source, target, up, down, up_taps + down_taps, kernel),
    )


def layer_schedule(config: GeneratorConfig) -> tuple[LayerSpec, ...]:
    """The `num_layers` convolutions and, last, ToRGB. The first layer takes its own band as its
    input's."""
    return tuple(_layer(config, index) for index in range(config.num_layers + 1))
