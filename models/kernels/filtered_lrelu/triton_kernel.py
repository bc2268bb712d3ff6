"""The filtered leaky relu on CUDA, as one Triton kernel: inference with separable filters.

Each program makes one tile of one plane. Up- and downsampling along an axis are products with
banded matrices, built in registers from the taps, so tensor cores do them, and the upsampled tile
never reaches memory.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

Padding = tuple[int, int, int, int]
TILE = 16  # output samples along each axis; tensor cores take no less


def supports(x: torch.Tensor, down_filter: torch.Tensor | None, bias: torch.Tensor | None) -> bool:
    """Whether the kernel computes it: no gradient is recorded, and the down filter is separable."""
    recorded = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, bias))
    return not recorded and (down_filter is None or down_filter.ndim == 1)


def filtered_lrelu(
    x: torch.Tensor,
    up_filter: torch.Tensor | None,
    down_filter: torch.Tensor | None,
    bias: torch.Tensor | None,
    up: int,
    down: int,
    padding: Padding,
    gain: float,
    slope: float,
    clamp: float | None,
    scale: torch.Tensor | None = None,
) -> torch.Tensor:
    """As `fused.filtered_lrelu`, for x of float16 or float32 on any device that Triton runs on; not
    differentiable.

    Sums are float32; a float16 plane's products are of float16, as in `ops.filtered_lrelu_torch`.
    """
    x = x if scale is None else x * scale[:, :, None, None]
    one = x.new_ones(1, dtype=torch.float32)
    ups = one if up_filter is None else up_filter.float() * up
    downs = one if down_filter is None else down_filter.float()
    left, right, top, bottom = padding
    n, channels, height, width = x.shape
    out = [
        (size * up + low + high - len(ups) - len(downs) + 1) // down + 1
        for size, low, high in ((height, top, bottom), (width, left, right))
    ]
    if min(out) < 1:
        raise ValueError(f"padding {height, width} by {padding} leaves nothing to filter")
    y = x.new_empty(n, channels, *out)
    middle = (TILE - 1) * down + len(downs)
    grid = n * channels, triton.cdiv(out[0], TILE), triton.cdiv(out[1], TILE)
    _resample[grid](
        x.contiguous(), x.new_zeros(channels) if bias is None else bias.contiguous(), y, ups, downs,
        channels, height, width, *out, top, left, gain, slope, math.inf if clamp is None else clamp,
        up, down, len(ups), len(downs),
        TILE, max(16, triton.next_power_of_2(middle)),
        max(16, triton.next_power_of_2((middle + len(ups) - 2) // up + 2)),
        tl.float16 if x.dtype == torch.float16 else tl.float32,
    )  # fmt: skip
    return y


@triton.jit
def _band(taps, rows, columns, up, down, low, count):
    """[rows, columns] of the matrix that zero-inserts by `up`, pads by `low`, filters and takes
    every `down`th."""
    tap = rows[:, None] * down + count - 1 - low - columns[None, :] * up
    return tl.load(taps + tap, mask=(tap >= 0) & (tap < count), other=0.0)


@triton.jit
def _first_read(sample, low, up):
    """The first input sample that an upsampled one depends on: the ceiling of (sample - low) / up,
    of any sign."""
    shifted = sample - low + up * 65536
    return (shifted + up - 1) // up - 65536


@triton.jit
def _resample(
    x, bias, y, ups, downs,
    channels, height, width, out_height, out_width, top, left, gain, slope, limit,
    UP: tl.constexpr, DOWN: tl.constexpr, UP_TAPS: tl.constexpr, DOWN_TAPS: tl.constexpr,
    OUT: tl.constexpr, MIDDLE: tl.constexpr, IN: tl.constexpr, KIND: tl.constexpr,
):  # fmt: skip
    """One tile [OUT, OUT] of a plane, from [MIDDLE, MIDDLE] upsampled samples, from [IN, IN]
    samples of x."""
    plane = tl.program_id(0).to(tl.int64)
    out_rows, out_columns = (
        tl.program_id(1) * OUT + tl.arange(0, OUT),
        tl.program_id(2) * OUT + tl.arange(0, OUT),
    )
    top_row, left_column = tl.program_id(1) * OUT * DOWN, tl.program_id(2) * OUT * DOWN
    middle_rows, middle_columns = top_row + tl.arange(0, MIDDLE), left_column + tl.arange(0, MIDDLE)
    rows = _first_read(top_row, top, UP) + tl.arange(0, IN)
    columns = _first_read(left_column, left, UP) + tl.arange(0, IN)

    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))[
        None, :
    ]
    source = x + plane * height * width + rows[:, None] * width + columns[None, :]
    tile = tl.load(source, mask=inside, other=0.0).to(tl.float32)
    tile = tl.where(inside, tile + tl.load(bias + plane % channels).to(tl.float32), 0.0)

    across = tl.trans(_band(ups, middle_columns, columns, UP, 1, left, UP_TAPS))
    wide = tl.dot(tile.to(KIND), across.to(KIND), input_precision="ieee")
    along = _band(ups, middle_rows, rows, UP, 1, top, UP_TAPS)
    grid = tl.dot(along.to(KIND), wide.to(KIND), input_precision="ieee")
    grid = tl.where(grid < 0, grid * slope, grid) * gain
    grid = tl.minimum(tl.maximum(grid, -limit), limit)
    down = _band(downs, out_rows, middle_rows, 1, DOWN, 0, DOWN_TAPS)
    low = tl.dot(down.to(KIND), grid.to(KIND), input_precision="ieee")
    back = tl.trans(_band(downs, out_columns, middle_columns, 1, DOWN, 0, DOWN_TAPS))
    result = tl.dot(low.to(KIND), back.to(KIND), input_precision="ieee")

    target = (
        y + plane * out_height * out_width + out_rows[:, None] * out_width + out_columns[None, :]
    )
    tl.store(
        target,
        result.to(KIND),
        mask=(out_rows < out_height)[:, None] & (out_columns < out_width)[None, :],
    )
