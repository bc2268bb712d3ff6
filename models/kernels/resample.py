"""Separable resampling as products with banded matrices, on any device and in any precision.

Channels-last tensors stay channels last, others contiguous: nothing is converted. The gradient is
the same operation with the matrices transposed, and so can be differentiated again; torch's second
derivative of a depthwise convolution is a loop over its channels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch


def resample(x: torch.Tensor, along: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
    """along @ x @ across^T for each channel of x [n, c, h, w]; along: [h', h], across: [w', w]."""
    y: torch.Tensor = _Resampled.apply(x, along, across)
    return y


def band(
    taps: torch.Tensor | None,
    size: int,
    *,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int] = (0, 0),
    gain: float = 1.0,
    like: torch.Tensor,
) -> torch.Tensor:
    """The matrix [out, size] that inserts up - 1 zeros, pads, filters and takes each down-th.

    taps: [k], times up and gain; None: [1]. like: has the matrix's precision and device.
    """
    version = 0 if taps is None or taps.is_inference() else taps._version
    return _band(taps, version, size, up, down, padding, gain, like.dtype, like.device)


@lru_cache(maxsize=512)  # of taps by identity: some twenty tiny operations each
@torch.inference_mode(False)
@torch.no_grad()
def _band(
    taps: torch.Tensor | None,
    version: int,
    size: int,
    up: int,
    down: int,
    padding: tuple[int, int],
    gain: float,
    dtype: torch.dtype,
    device: torch.device,
) -> torch.Tensor:
    line = torch.ones(1) if taps is None else taps.detach().cpu()
    line = line.double() * (up * gain)
    out = (size * up + sum(padding) - len(line)) // down + 1
    tap = torch.arange(out)[:, None] * down - torch.arange(size) * up
    tap = tap + len(line) - 1 - padding[0]
    inside = (tap >= 0) & (tap < len(line))
    matrix = torch.where(inside, line[tap.clamp(0, len(line) - 1)], 0)
    return matrix.to(dtype).to(device)


class _Resampled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, along: torch.Tensor, across: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(along, across)
        return _products(x, along, across)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        along, across = ctx.saved_tensors
        return _Resampled.apply(grad, along.t(), across.t()), None, None


def _products(x: torch.Tensor, along: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
    """First along where that makes x smaller, first across elsewhere.

    Written into a tensor that is no view, so that what follows may be done in place.
    """
    (n, c, h, w), high, wide = x.shape, len(along), len(across)
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    layout = torch.channels_last if last else torch.contiguous_format
    y = torch.empty((n, c, high, wide), dtype=x.dtype, device=x.device, memory_format=layout)
    if last:
        planes, out = x.permute(0, 2, 3, 1), y.permute(0, 2, 3, 1)
        if high < h:
            low = _each(along, planes.reshape(n, h, w * c)).view(n * high, w, c)
            _each(across, low, out.view(n * high, wide, c))
        else:
            broad = _each(across, planes.reshape(n * h, w, c)).view(n, h, wide * c)
            _each(along, broad, out.view(n, high, wide * c))
    else:
        x = x.contiguous()
        if high < h:
            low = _each(along, x.view(n * c, h, w)).view(-1, w)
            torch.mm(low, across.t(), out=y.view(-1, wide))
        else:
            broad = (x.view(-1, w) @ across.t()).view(n * c, h, wide)
            _each(along, broad, y.view(n * c, high, wide))
    return y


def _each(
    matrix: torch.Tensor, planes: torch.Tensor, out: torch.Tensor | None = None
) -> torch.Tensor:
    return torch.bmm(matrix.expand(len(planes), *matrix.shape), planes, out=out)
