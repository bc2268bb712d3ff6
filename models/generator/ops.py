"""The two costly operations of a synthesis layer, in plain torch (arXiv 2106.12423, section 3.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F

Padding = tuple[int, int, int, int]
TILE = 64


def modulated_conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    styles: torch.Tensor,
    demodulate: bool = True,
    padding: int = 0,
    input_gain: torch.Tensor | None = None,
) -> torch.Tensor:
    """Convolution whose weights are scaled per sample and input channel (arXiv 1912.04958, equations 1 and 3).

    Scaling activations before and after one shared convolution gives the same result as per-sample weights.
    x: [n, i, h, w]; weight: float32 [o, i, k, k]; styles: float32 [n, i]; input_gain: scalar, not seen by the
    demodulation. With demodulation the weights are normalised per output channel and the styles over the whole batch,
    which keeps half precision in range. Returns [n, o, h + 2 * padding - k + 1, ...] in x's dtype.
    """
    gain = styles if input_gain is None else styles * input_gain
    if not demodulate:
        return F.conv2d(x * gain.to(x.dtype)[:, :, None, None], weight.to(x.dtype), padding=padding)
    weight = weight * weight.square().mean([1, 2, 3], keepdim=True).rsqrt()
    norm = styles.square().mean().rsqrt()
    power = weight.square().sum([2, 3])  # [o, i]
    demodulation = ((styles * norm).square() @ power.t() + 1e-8).rsqrt()  # [n, o]
    y = F.conv2d(x * (gain * norm).to(x.dtype)[:, :, None, None], weight.to(x.dtype), padding=padding)
    return y * demodulation.to(x.dtype)[:, :, None, None]


def _fir_matrix(taps: torch.Tensor, rows: range, columns: range, up: int, down: int, low: int) -> torch.Tensor:
    """The block [rows, columns] of the banded matrix that zero-inserts, pads by `low`, filters and decimates."""
    row = torch.arange(rows.start, rows.stop, device=taps.device)[:, None]
    column = torch.arange(columns.start, columns.stop, device=taps.device)[None, :]
    tap = row * down + len(taps) - 1 - low - column * up
    inside = (tap >= 0) & (tap < len(taps))
    return torch.where(inside, taps[tap.clamp(0, len(taps) - 1)] * up, 0)


def _support(rows: range, taps: int, up: int, down: int, low: int, size: int) -> range:
    """The input samples, of `size`, that the output samples `rows` depend on."""
    first = -((low - rows.start * down) // up)
    last = ((rows.stop - 1) * down + taps - 1 - low) // up
    return range(min(max(first, 0), size - 1), max(min(last + 1, size), 1))


def _spans(size: int) -> list[range]:
    """`size` split into equal ranges of at most about TILE."""
    count = max(1, round(size / TILE))
    edges = [size * i // count for i in range(count + 1)]
    return [range(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def _activate(x: torch.Tensor, gain: float, slope: float, clamp: float | None) -> torch.Tensor:
    """The clamped leaky relu, without its gain: the limits are applied to the input, which a monotonic function allows."""
    if clamp is not None:
        x = x.clamp(-clamp / (gain * slope), clamp / gain)
    return F.leaky_relu(x, slope) if slope != 1 else x


def filtered_lrelu_torch(
    x: torch.Tensor,
    up_filter: torch.Tensor | None,
    down_filter: torch.Tensor | None,
    bias: torch.Tensor,
    up: int,
    down: int,
    padding: Padding,
    gain: float,
    slope: float,
    clamp: float | None,
) -> torch.Tensor:
    """`filtered_lrelu` as products with banded matrices, tile by tile, without inserting a zero."""
    x = x + bias[:, None, None]
    one = x.new_ones(1)
    up_taps = one if up_filter is None else up_filter.to(x.dtype)
    down_taps = one if down_filter is None else down_filter.to(x.dtype)
    if up == down == len(up_taps) == len(down_taps) == 1 and padding == (0, 0, 0, 0):
        return _activate(x, gain, slope, clamp) * gain
    sizes = x.shape[3], x.shape[2]
    tiles: list[list[tuple[range, torch.Tensor, torch.Tensor | None]]] = []  # along x, y: source, upsampling, downsampling
    for size, low, high in ((sizes[0], *padding[:2]), (sizes[1], *padding[2:])):
        upsampled = size * up + low + high - len(up_taps) + 1
        tiles.append([])
        for target in _spans((upsampled - len(down_taps)) // down + 1):
            middle = range(target.start * down, (target.stop - 1) * down + len(down_taps))
            source = _support(middle, len(up_taps), up, 1, low, size)
            decimate = _fir_matrix(down_taps, target, middle, 1, down, 0) if down_taps.ndim == 1 else None
            tiles[-1].append((source, _fir_matrix(up_taps, middle, source, up, 1, low), decimate))
    rows = []
    for source_y, up_y, down_y in tiles[1]:
        row = []
        for source_x, up_x, down_x in tiles[0]:
            part = x[:, :, source_y.start : source_y.stop, source_x.start : source_x.stop]
            wide = _activate(up_y @ (part @ up_x.t()), gain, slope, clamp)
            if down_x is None or down_y is None:
                flat = wide.flatten(0, 1)[:, None]
                y = F.conv2d(flat, down_taps.flip(0, 1)[None, None] * gain, stride=down).unflatten(0, x.shape[:2])[:, :, 0]
            else:
                y = down_y @ (wide @ (down_x.t() * gain))
            row.append(y)
        rows.append(torch.cat(row, 3))
    return torch.cat(rows, 2)


filtered_lrelu = filtered_lrelu_torch
