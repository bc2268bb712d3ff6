"""Losses between a predicted and a true alpha, both float32 [n, 1, h, w] in [0, 1]."""

import torch
import torch.nn.functional as F
from torch import Tensor

BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)


def laplacian_pyramid(alpha: Tensor, levels: int) -> list[Tensor]:
    """Band-pass images, finest first: each the difference to a blurred copy of itself (Burt and
    Adelson 1983)."""
    row = alpha.new_tensor(BINOMIAL)
    kernel = (row[:, None] * row / row.sum() ** 2).view(1, 1, 5, 5)
    bands = []
    for _ in range(levels):
        blurred = F.conv2d(F.pad(alpha, (2, 2, 2, 2), mode="replicate"), kernel)
        bands.append(alpha - blurred)
        alpha = F.avg_pool2d(blurred, 2)
    return bands


def laplacian_loss(predicted: Tensor, true: Tensor, levels: int = 3) -> Tensor:
    """Sum over levels k of 2^k times the L1 distance of the bands (arXiv 1703.07514, equation
    8)."""
    bands = laplacian_pyramid(predicted - true, levels)
    return torch.stack([2.0**level * band.abs().mean() for level, band in enumerate(bands)]).sum()


def dice_loss(predicted: Tensor, true: Tensor, eps: float = 1.0) -> Tensor:
    """1 - 2 |p t| / (|p|^2 + |t|^2), mean over the images (arXiv 1606.04797, section 3)."""
    overlap = (predicted * true).sum(dim=(1, 2, 3))
    total = (predicted.square() + true.square()).sum(dim=(1, 2, 3))
    return (1 - (2 * overlap + eps) / (total + eps)).mean()


def composition_loss(predicted: Tensor, true: Tensor, contrast: Tensor) -> Tensor:
    """L1 between the composites by both alphas (arXiv 1703.03872, section 4.1).

    contrast: absolute difference of foreground and background colour, [n, 3, h, w]: the composites
    differ by (p - t) (F - B).
    """
    return ((predicted - true).abs() * contrast).mean()


def matting_loss(
    predicted: Tensor, true: Tensor, contrast: Tensor | None = None
) -> dict[str, Tensor]:
    """`l1`, `laplacian`, `dice`, with a contrast `composition`, and their sum `total`, each a
    scalar."""
    parts = {
        "l1": (predicted - true).abs().mean(),
        "laplacian": laplacian_loss(predicted, true),
        "dice": dice_loss(predicted, true),
    }
    if contrast is not None:
        parts["composition"] = composition_loss(predicted, true, contrast)
    return parts | {"total": torch.stack(list(parts.values())).sum()}
