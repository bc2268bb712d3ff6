"""The synthesis network w -> image: Fourier input and alias-free layers (arXiv 2106.12423, section
3)."""

from __future__ import annotations

import math

import torch
from torch import nn

from models.kernels.batch_threads import share_out
from models.kernels.device import half_dtype
from models.kernels.filtered_lrelu.filtering import Filtering
from models.networks.stylegan3.config import GeneratorConfig, LayerSpec, layer_schedule
from models.networks.stylegan3.filters import design_lowpass
from models.networks.stylegan3.mapping import FullyConnected
from models.networks.stylegan3.ops import (
    filtered_lrelu,
    filtered_lrelu_torch,
    input_scale,
    modulated_conv,
    style_norm,
)
from models.training import distributed


def _rotation_translation(params: torch.Tensor) -> torch.Tensor:
    """(cos, sin, x, y), of any scale, [n, 4] -> inverse rotation times inverse translation [n, 3,
    3]."""
    c, s, x, y = (params / params[:, :2].norm(dim=1, keepdim=True)).unbind(1)
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    rotation = torch.stack([c, -s, zero, s, c, zero, zero, zero, one], 1).view(-1, 3, 3)
    translation = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], 1).view(-1, 3, 3)
    return rotation @ translation


class FourierInput(nn.Module):
    """A grid of sinusoids, moved by w and by the user's transform, then mixed by a learned matrix
    (section 3.1)."""

    transform: torch.Tensor
    freqs: torch.Tensor
    phases: torch.Tensor

    def __init__(self, spec: LayerSpec, w_dim: int) -> None:
        super().__init__()
        channels = spec.in_channels
        self.size, self.rate, self.bandwidth = spec.in_size, spec.in_rate, spec.in_cutoff
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = FullyConnected(w_dim, 4, weight_init=0, bias_init=[1, 0, 0, 0])
        radius, angle = (
            self.bandwidth * torch.rand(channels).sqrt(),
            2 * math.pi * torch.rand(channels),
        )
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", torch.stack([radius * angle.cos(), radius * angle.sin()], 1))
        self.register_buffer("phases", torch.rand(channels) - 0.5)

    def forward(self, w: torch.Tensor) -> torch.Tensor:
        """w: [n, w_dim] -> features [n, channels, size, size]; the canvas spans [-0.5, 0.5]."""
        matrix = _rotation_translation(self.affine(w)) @ self.transform  # [n, 3, 3]
        phases = self.phases + (self.freqs @ matrix[:, :2, 2:]).squeeze(2)  # [n, c]
        freqs = self.freqs @ matrix[:, :2, :2]  # [n, c, 2]
        excess = (freqs.norm(dim=2) - self.bandwidth) / (self.rate / 2 - self.bandwidth)
        amplitudes = (1 - excess).clamp(0, 1)
        position = (torch.arange(self.size, device=w.device) - (self.size - 1) / 2) / self.rate
        cycles = (
            freqs[:, :, :1, None] * position + freqs[:, :, 1:, None] * position[:, None]
        )  # [n, c, h, w]
        waves = (2 * math.pi * (cycles + phases[:, :, None, None])).sin() * amplitudes[
            :, :, None, None
        ]
        return torch.einsum("oc,nchw->nohw", self.weight / math.sqrt(len(self.weight)), waves)


class SynthesisLayer(nn.Module):
    """Modulated convolution, then a leaky relu between two resampling filters (section 3.2)."""

    up_filter: torch.Tensor | None
    down_filter: torch.Tensor | None
    magnitude_ema: torch.Tensor

    def __init__(self, spec: LayerSpec, config: GeneratorConfig) -> None:
        super().__init__()
        self.spec = spec
        self.clamp = config.conv_clamp
        self.by_kernel = True  # the filtered leaky relu by its fused kernel, where there is one
        self.magnitude_ema_beta = config.magnitude_ema_beta
        self.affine = FullyConnected(config.w_dim, spec.in_channels, bias_init=1)
        self.weight = nn.Parameter(
            torch.randn(spec.out_channels, spec.in_channels, spec.kernel, spec.kernel)
        )
        self.bias = nn.Parameter(torch.zeros(spec.out_channels))
        up = down = None
        if spec.up_taps > 1:
            up = design_lowpass(spec.up_taps, spec.in_cutoff, spec.in_half_width, spec.tmp_rate)
        if spec.down_taps > 1:
            down = design_lowpass(
                spec.down_taps, spec.out_cutoff, spec.out_half_width, spec.tmp_rate, spec.radial
            )
        self.register_buffer("up_filter", up)
        self.register_buffer("down_filter", down)
        self.register_buffer("magnitude_ema", torch.ones([]))

    def forward(self, x: torch.Tensor, w: torch.Tensor, update_emas: bool = False) -> torch.Tensor:
        """x: [n, in_channels, in_size, in_size], w: [n, w_dim] -> [n, out_channels, out_size,
        out_size].

        In half precision (see `half_dtype`) where the schedule says so and x is on CUDA, else as
        the parameters are.
        """
        if update_emas:
            magnitude = distributed.mean(x.detach().float().square().mean())
            self.magnitude_ema.copy_(magnitude.lerp(self.magnitude_ema, self.magnitude_ema_beta))
        return self.filtered(x, *self.styles(w))

    def styles(self, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """w of the whole batch, [n, w_dim] -> styles [n, in_channels], and what normalises them: a
        scalar or None."""
        styles = self.affine(w)
        if self.spec.to_rgb:
            return styles / math.sqrt(self.spec.in_channels * self.spec.kernel**2), None
        return styles, style_norm(styles)

    def filtered(
        self,
        x: torch.Tensor,
        styles: torch.Tensor,
        norm: torch.Tensor | None,
        scaled: bool = False,
        rescale: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """What forward gives, for any part of a batch; scaled: x is multiplied with the input
        scale already.

        rescale: [n, out_channels], is multiplied with what comes out, such as the next layer's
        input scale.
        """
        spec = self.spec
        dtype = half_dtype() if spec.half_precision and x.is_cuda else self.weight.dtype
        left, right, top, bottom = (side + spec.unread * spec.up for side in spec.padding)
        x, scale = modulated_conv(
            x.to(dtype),
            self.weight,
            styles,
            demodulate=not spec.to_rgb,
            padding=spec.conv_padding,
            input_gain=self.magnitude_ema.rsqrt(),
            norm=norm,
            scaled=scaled,
        )
        filtering = Filtering(
            self.up_filter,
            self.down_filter,
            up=spec.up,
            down=spec.down,
            padding=(left, right, top, bottom),
            gain=1.0 if spec.to_rgb else math.sqrt(2),
            slope=1.0 if spec.to_rgb else 0.2,
            clamp=self.clamp,
        )
        operation = filtered_lrelu if self.by_kernel else filtered_lrelu_torch
        return operation(x, filtering, self.bias.to(dtype), scale=scale, rescale=rescale)


class SynthesisNetwork(nn.Module):
    """ws -> image. Submodules: `input`, then one per layer, named as in the schedule."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        schedule = layer_schedule(config)
        self.layer_names = [spec.name for spec in schedule]
        self.num_ws, self.w_dim = len(schedule) + 1, config.w_dim
        self.output_scale = config.output_scale
        self.input = FourierInput(schedule[0], config.w_dim)
        for spec in schedule:
            self.add_module(spec.name, SynthesisLayer(spec, config))

    def layers(self) -> list[SynthesisLayer]:
        """The layers in order, ToRGB last."""
        return [layer for layer in self.children() if isinstance(layer, SynthesisLayer)]

    def use_kernel(self, by_kernel: bool) -> None:
        """Whether layers filter by the device's fused kernel, or by torch's operations."""
        for layer in self.layers():
            layer.by_kernel = by_kernel

    def set_magnitude_ema_beta(self, beta: float) -> None:
        """Sets the decay per forward of every layer's input magnitude; in training 0.5 ** (batch /
        20000)."""
        for layer in self.layers():
            layer.magnitude_ema_beta = beta

    def forward(self, ws: torch.Tensor, update_emas: bool = False) -> torch.Tensor:
        """ws: [n, num_ws, w_dim] -> [n, img_channels, h, w], about [-1, 1] each, not clamped.

        In the parameters' precision, but for layers in half precision. update_emas: updates the
        magnitude averages, each before it is used. Raises ValueError for ws of another shape.
        """
        first, *rest = self._unbound(ws)
        x = self.input(first)
        for layer, w in zip(self.layers(), rest, strict=True):
            x = layer(x, w, update_emas)
        image: torch.Tensor = x.to(self.input.weight.dtype) * self.output_scale
        return image

    @torch.no_grad()
    def shared_out(self, ws: torch.Tensor, part_size: int | None = None) -> torch.Tensor:
        """What forward gives, without gradients, made of parts of the batch.

        part_size: images a part, one part after the other, where memory is short. None: on a CPU
        each of torch's threads makes a part, elsewhere the whole is one. What runs over the batch,
        such as the styles' norm, runs over the whole of it in any case.
        """
        w_input, *rest = self._unbound(ws)
        styled = [(layer, *layer.styles(w)) for layer, w in zip(self.layers(), rest, strict=True)]
        scales = [
            input_scale(styles, layer.magnitude_ema.rsqrt(), norm) for layer, styles, norm in styled
        ]
        last = styled[-1][0].spec.out_channels
        scales.append(torch.full((len(ws), last), self.output_scale, device=ws.device))

        def part(first: int, last: int) -> torch.Tensor:
            x = self.input(w_input[first:last]) * scales[0][first:last, :, None, None]
            for (layer, styles, norm), scale in zip(styled, scales[1:], strict=True):
                x = layer.filtered(
                    x, styles[first:last], norm, scaled=True, rescale=scale[first:last]
                )
            return x.to(self.input.weight.dtype)

        count = len(ws)
        if part_size is None and ws.device.type == "cpu":
            return torch.cat(share_out(part, count))
        size = part_size or count
        return torch.cat([part(first, first + size) for first in range(0, count, size)])

    def _unbound(self, ws: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(f"ws must be [n, {self.num_ws}, {self.w_dim}], got {list(ws.shape)}")
        return ws.to(self.input.weight.dtype).unbind(1)
