"""The filtered leaky relu on the CPU, by a kernel that numba compiles.

The gradient is the same operation with the filters swapped and the recorded derivative as
activation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from models.kernels.batch_threads import share_out
from models.kernels.filtered_lrelu.cpu_kernel import BACKWARD, FORWARD, RECORDING, resample_planes
from models.kernels.filtered_lrelu.cpu_plan import ResamplingPlan, plan_resampling
from models.kernels.filtered_lrelu.filtering import Filtering, Padding

LINE = 64  # bytes of the processor's cache


def filtered_lrelu(
    x: torch.Tensor,
    filtering: Filtering,
    bias: torch.Tensor | None = None,
    *,
    scale: torch.Tensor | None = None,
    rescale: torch.Tensor | None = None,
) -> torch.Tensor:
    """Scales, adds bias, and filters as `filtering` says.

    x: float32 [n, c, h, w] on the CPU; scale: [n, c]; bias: [c]; rescale: [n, c], of what comes
    out. Returns float32 [n, c, h', w']. Differentiable once, in x, scale, bias and rescale. Raises
    ValueError for what it doesn't compute.
    """
    up_filter, down_filter, up, down, padding, gain, slope, clamp = filtering
    one = torch.ones(1)
    recorded = torch.is_grad_enabled() and any(
        t is not None and t.requires_grad for t in (x, scale, bias, rescale)
    )
    if recorded and rescale is not None:
        return filtered_lrelu(x, filtering, bias, scale=scale) * rescale[:, :, None, None]
    scaled = scale is not None
    rescale = one.expand(x.shape[:2]) if rescale is None else rescale
    scale = one.expand(x.shape[:2]) if scale is None else scale
    bias = torch.zeros(x.shape[1]) if bias is None else bias
    ups = one if up_filter is None else up_filter
    downs = one if down_filter is None else down_filter
    given = x, scale, rescale, bias, ups, downs
    if any(t.device.type != "cpu" or t.dtype != torch.float32 for t in given):
        raise ValueError(f"needs float32 on the CPU, got {[t.dtype for t in given]}")
    right_shapes = scale.shape == rescale.shape == x.shape[:2] and bias.shape == x.shape[1:2]
    if (
        not right_shapes
        or ups.ndim != 1
        or downs.ndim not in (1, 2)
        or not gain > 0
        or not slope >= 0
    ):
        shapes = [list(t.shape) for t in given]
        needed = "[n, c, h, w], [n, c], [n, c], [c], [taps], [taps], gain > 0, slope >= 0"
        raise ValueError(f"needs {needed}; got {shapes}, {gain}, {slope}")
    ups = ups * (up * math.sqrt(gain))  # half of the gain along each axis
    activation = float(slope), math.inf if clamp is None else float(clamp)
    factors = up, down
    return _FilteredLRelu.apply(
        x, scale, rescale, bias, ups, downs, factors, padding, activation, recorded, scaled
    )


class _FilteredLRelu(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        scale: torch.Tensor,
        rescale: torch.Tensor,
        bias: torch.Tensor,
        up_filter: torch.Tensor,
        down_filter: torch.Tensor,
        factors: tuple[int, int],
        padding: Padding,
        activation: tuple[float, float],
        record: bool,
        scaled: bool,
    ) -> torch.Tensor:
        """up_filter: gains included; activation: slope, limit; record: keep what the gradient
        needs."""
        left, right, top, bottom = padding
        up, down = factors
        size = x.shape[2], x.shape[3]
        ups, downs = tuple(up_filter.shape), tuple(down_filter.shape)
        grid = size[0] * up + top + bottom - ups[0] + 1, size[1] * up + left + right - ups[0] + 1
        out = (grid[0] - downs[0]) // down + 1, (grid[1] - downs[-1]) // down + 1
        if min(*size, *out) < 1:
            raise ValueError(f"padding {size} by {padding} leaves nothing to filter")
        plan = plan_resampling(size, grid, out, factors, (top, left), (0, 0), ups, downs)
        signs = torch.empty(
            x.shape[0] * x.shape[1] * plan.geometry.plane_signs if record else 0, dtype=torch.uint8
        )
        flipped = up_filter.flip(0), down_filter.flip(*range(down_filter.ndim))
        y = _run(
            plan,
            x,
            scale,
            rescale,
            bias,
            *flipped,
            signs,
            (RECORDING if record else FORWARD, *activation),
        )
        if record:
            pad, shift = (downs[0] - 1, downs[-1] - 1), (top - ups[0] + 1, left - ups[0] + 1)
            ctx.plan = plan_resampling(out, grid, size, (down, up), pad, shift, downs, ups)
            ctx.activation = BACKWARD, *activation
            ctx.save_for_backward(up_filter, down_filter, signs, *((x, scale) if scaled else ()))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        up_filter, down_filter, signs, *scaling = ctx.saved_tensors
        ones = torch.ones(grad.shape[:2])
        plain = ones, ones, torch.zeros(1)
        x_grad = _run(ctx.plan, grad, *plain, down_filter, up_filter, signs, ctx.activation)
        bias_grad, scale_grad = x_grad.sum((0, 2, 3)), None
        if scaling:
            x, scale = scaling
            scale_grad = (x_grad * x).sum((2, 3))
            x_grad = x_grad * scale[:, :, None, None]
        return x_grad, scale_grad, None, bias_grad, *[None] * 7


def _run(
    plan: ResamplingPlan,
    x: torch.Tensor,
    scale: torch.Tensor,
    rescale: torch.Tensor,
    bias: torch.Tensor,
    up_filter: torch.Tensor,
    down_filter: torch.Tensor,
    signs: torch.Tensor,
    activation: tuple[int, float, float],
) -> torch.Tensor:
    """x: float32 [n, c, h, w] -> [n, c, out_height, out_width]; activation: mode, slope, limit."""
    g = plan.geometry
    planes = x.shape[0] * x.shape[1]
    y = torch.empty(*x.shape[:2], g.out_height, g.out_width)
    if not planes:
        return y
    x, scale, rescale, bias = (
        x.contiguous(),
        scale.contiguous(),
        rescale.contiguous(),
        bias.contiguous(),
    )
    ups, downs = up_filter.numpy().ravel(), down_filter.numpy().ravel()
    lists = zip(plan[1:], (ups, ups, downs, downs), strict=True)
    taps, _kept_alive = zip(*(part.of(weights) for part, weights in lists), strict=True)

    def run(first: int, last: int) -> None:
        scratch = np.zeros(g.scratch + LINE // 4, np.float32)
        aligned = (
            -(-scratch.ctypes.data // LINE) * LINE
        )  # the vertical filters' vectors stay within a line each
        planewise = scale.data_ptr(), bias.data_ptr(), len(bias), rescale.data_ptr()
        places = y.data_ptr(), signs.data_ptr(), aligned
        resample_planes(first, last, x.data_ptr(), *planewise, *places, *activation, g, *taps)

    share_out(run, planes)
    return y
