"""Fast guided filter (arXiv 1505.00996): refines a low-resolution map along the edges of a
full-resolution guide."""

import torch
import torch.nn.functional as F
from torch import Tensor


def box_mean(x: Tensor, radius: int) -> Tensor:
    """Mean over the (2 radius + 1)^2 window around each pixel, cut at the border. x: float32 [n, c,
    h, w].

    Sums are differences of cumulative sums: where the guide is flat the filter amplifies rounding,
    and this is the rounding that the released network shows.
    """
    count = _window_sum(_window_sum(torch.ones_like(x[:1, :1]), radius, 2), radius, 3)
    return _window_sum(_window_sum(x, radius, 2), radius, 3) / count


def fast_guided_filter(
    low_guide: Tensor, low: Tensor, guide: Tensor, *, radius: int, eps: float
) -> Tensor:
    """Fits low = slope * low_guide + offset in each window, and applies the upsampled fit to
    `guide`.

    low_guide, low: float32 [n, 1, h, w]; guide: float32 [n, 1, H, W]. Returns float32 [n, 1, H, W].
    """
    moments = torch.cat([low_guide, low, low_guide * low, low_guide * low_guide], dim=1)
    mean_guide, mean_low, product, square = box_mean(moments, radius).chunk(4, dim=1)
    slope = (product - mean_guide * mean_low) / (square - mean_guide * mean_guide + eps)
    fit = torch.cat([slope, mean_low - slope * mean_guide], dim=1)
    fit = F.interpolate(fit, size=guide.shape[-2:], mode="bilinear", align_corners=True)
    return fit[:, :1] * guide + fit[:, 1:]


def _window_sum(x: Tensor, radius: int, dim: int) -> Tensor:
    size = x.shape[dim]
    total = torch.cat([torch.zeros_like(x.narrow(dim, 0, 1)), x.cumsum(dim)], dim)
    index = torch.arange(size, device=x.device)
    end, start = (index + radius + 1).clamp(max=size), (index - radius).clamp(min=0)
    return total.index_select(dim, end) - total.index_select(dim, start)
