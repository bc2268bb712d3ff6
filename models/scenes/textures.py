"""Fields, colours, gradients and surfaces that scenes are painted of."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Picture = NDArray[np.floating]
Rng = np.random.Generator


def noise_field(
    rng: Rng, size: int, exponent: float, stretch: float = 1.0, angle: float = 0.0
) -> Picture:
    """1/f^exponent noise, zero mean and unit variance, float32 [n, n]; strands of `stretch` < 1 run
    along `angle`."""
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    along, across = fx * np.cos(angle) + fy * np.sin(angle), fy * np.cos(angle) - fx * np.sin(angle)
    radius = np.hypot(across * stretch, along)
    radius[0, 0] = np.inf
    spectrum = (
        rng.standard_normal(radius.shape) + 1j * rng.standard_normal(radius.shape)
    ) / radius**exponent
    field = np.fft.irfft2(spectrum, s=(size, size))
    return ((field - field.mean()) / (field.std() + 1e-9)).astype(np.float32)


def colour(rng: Rng, around: Picture | None = None, spread: float = 0.12) -> Picture:
    """A colour [3], near `around` if given: varies most in luminance, then from warm to cool."""
    if around is None:
        around = rng.beta(1.3, 1.5) + rng.normal(0, rng.choice([0.02, 0.05, 0.1, 0.2]), 3)
        around += rng.normal(0.05, 0.12) * np.array([1.0, 0.1, -1.0])
    return np.clip(around + rng.normal(0, spread) + rng.normal(0, spread / 2, 3), 0, 1).astype(
        np.float32
    )


def gradient(
    rng: Rng, size: int, first: Picture, last: Picture, angle: float | None = None
) -> Picture:
    """Linear blend of two colours across the picture; angle in radians, 0 = left to right."""
    angle = rng.uniform(0, 2 * np.pi) if angle is None else angle
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    t = np.clip(0.5 + np.cos(angle) * x + np.sin(angle) * y, 0, 1)[..., None]
    return (first * (1 - t) + last * t).astype(np.float32)


def texture(rng: Rng, size: int, base: Picture, contrast: float | None = None) -> Picture:
    """Rough surface: shading by luminance noise, and a weaker noise between two hues."""
    contrast = rng.uniform(0.02, 0.25) if contrast is None else contrast
    shade = noise_field(rng, size, rng.uniform(0.6, 2.0), rng.choice([0.3, 1.0, 1.0, 4.0]))[
        ..., None
    ]
    tint = noise_field(rng, size, rng.uniform(1.0, 2.2))[..., None] * rng.normal(0, contrast / 3, 3)
    return np.clip(base * (1 + contrast * shade) + tint, 0, 1).astype(np.float32)


def surface(rng: Rng, size: int) -> Picture:
    """Fur, grass, bark, wood, sand or stone that fills the picture: strands or grains of strong
    contrast."""
    angle, stretch = rng.uniform(0, np.pi), rng.choice([1.0, 0.5, 0.2, 0.08])
    grain = noise_field(rng, size, rng.uniform(0.4, 1.3), stretch, angle)
    grain = np.tanh(grain * rng.uniform(0.5, 3)) * rng.uniform(0.1, 0.6)
    folds = noise_field(rng, size, rng.uniform(1.5, 2.2)) * rng.uniform(0.05, 0.35)
    hues = gradient(rng, size, first := colour(rng), colour(rng, first, 0.1))
    hues = hues + noise_field(rng, size, 1.5)[..., None] * rng.normal(0, 0.03, 3)
    return np.clip(hues * (1 + grain + folds)[..., None], 0, 1)


def smoothed(picture: Picture, sigma: float) -> Picture:
    """Gaussian blur in pixels."""
    return gaussian_filter(picture, (sigma, sigma, 0), mode="reflect") if sigma > 0.2 else picture
