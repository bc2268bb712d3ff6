"""What a filtered leaky relu does to each plane, said once for every way to compute it."""

from __future__ import annotations

from typing import NamedTuple

import torch

Padding = tuple[int, int, int, int]


class Filtering(NamedTuple):
    """Upsampling, a clamped leaky relu with a gain, downsampling (arXiv 2106.12423, section 3.2).

    A plane [h, w] becomes [(h * up + top + bottom - up_taps - down_taps + 1) // down + 1, ...].
    """

    up_filter: torch.Tensor | None
    """[taps] of unit sum, applied along both axes after inserting up - 1 zeros and padding."""
    down_filter: torch.Tensor | None
    """[taps], or [taps, taps] where it is radial."""
    up: int
    down: int
    padding: Padding
    """Left, right, top, bottom of the upsampled plane; what is negative crops."""
    gain: float
    """What the leaky relu's result is multiplied with; above 0."""
    slope: float
    """What negative values are multiplied with; 0 or more."""
    clamp: float | None
    """Largest magnitude before downsampling."""
