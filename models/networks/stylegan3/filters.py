"""Low-pass filters of the synthesis layers (arXiv 2106.12423, section 3.2 and appendix C.1)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special


def design_lowpass(
    taps: int, cutoff: float, half_width: float, rate: float, radial: bool = False
) -> torch.Tensor:
    """A Kaiser-windowed ideal low-pass filter of unit DC gain.

    taps: length; even if radial. cutoff, half_width (of the transition band): cycles per unit.
    rate: samples per unit. Returns float32 [taps], or [taps, taps] if radial: jinc times a
    separable window.
    """
    nyquist = rate / 2
    beta = _kaiser_beta(taps, 2 * half_width / nyquist)
    if not radial:
        place = np.arange(taps) - (taps - 1) / 2
        ideal = cutoff / nyquist * np.sinc(cutoff / nyquist * place)
        kernel = ideal * _kaiser_window(taps, beta)
        return torch.as_tensor(kernel / kernel.sum(), dtype=torch.float32)
    position = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = np.hypot(*np.meshgrid(position, position))
    jinc = special.j1(2 * np.pi * cutoff * radius) / (np.pi * radius)
    window = np.kaiser(taps, beta)
    kernel = jinc * np.outer(window, window)
    return torch.as_tensor(kernel / kernel.sum(), dtype=torch.float32)


def _kaiser_beta(taps: int, width: float) -> float:
    """The window's parameter for a transition band of `width`, of which the Nyquist frequency is 1
    (Kaiser 1974, equations 7 and 8)."""
    attenuation_db = 2.285 * (taps - 1) * np.pi * width + 7.95
    if attenuation_db > 50:
        return 0.1102 * (attenuation_db - 8.7)
    if attenuation_db > 21:
        return 0.5842 * (attenuation_db - 21) ** 0.4 + 0.07886 * (attenuation_db - 21)
    return 0.0


def _kaiser_window(taps: int, beta: float) -> NDArray[np.float64]:
    """float64 [taps]; `scipy.signal` has it, too, and takes most of a second to import."""
    half = (taps - 1) / 2
    place = (np.arange(taps) - half) / half
    return np.asarray(special.i0(beta * np.sqrt(1 - place**2)) / special.i0(beta))
