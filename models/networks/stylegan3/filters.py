"""Low-pass filters of the synthesis layers (arXiv 2106.12423, section 3.2 and appendix C.1)."""

from __future__ import annotations

import numpy as np
import torch
from scipy import signal, special


def design_lowpass(
    taps: int, cutoff: float, half_width: float, rate: float, radial: bool = False
) -> torch.Tensor:
    """A Kaiser-windowed ideal low-pass filter of unit DC gain.

    taps: length; even if radial. cutoff, half_width (of the transition band): cycles per unit.
    rate: samples per unit. Returns float32 [taps], or [taps, taps] if radial: jinc times a
    separable window.
    """
    if not radial:
        return torch.as_tensor(
            signal.firwin(taps, cutoff, width=2 * half_width, fs=rate), dtype=torch.float32
        )
    position = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = np.hypot(*np.meshgrid(position, position))
    jinc = special.j1(2 * np.pi * cutoff * radius) / (np.pi * radius)
    window = np.kaiser(
        taps, signal.kaiser_beta(signal.kaiser_atten(taps, 2 * half_width / (rate / 2)))
    )
    kernel = jinc * np.outer(window, window)
    return torch.as_tensor(kernel / kernel.sum(), dtype=torch.float32)
