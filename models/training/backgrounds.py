"""Procedural backgrounds: scenes with natural statistics, made of noise fields, occluding shapes and light.

Every layer works on pictures of floats [n, n, 3] in [0, 1]. Power-law spectra: Field 1987; dead leaves: Lee, Mumford
and Huang 2001 (shapes with r^-3 sizes that hide each other have the statistics of photographs).
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

Picture = NDArray[np.floating]
Rng = np.random.Generator


def noise_field(rng: Rng, size: int, exponent: float, stretch: float = 1.0) -> Picture:
    """1/f^exponent noise, zero mean and unit variance, float32 [n, n]; stretch > 1 draws it out horizontally."""
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    radius = np.hypot(fy, fx * stretch)
    radius[0, 0] = np.inf
    spectrum = (rng.standard_normal(radius.shape) + 1j * rng.standard_normal(radius.shape)) / radius**exponent
    field = np.fft.irfft2(spectrum, s=(size, size))
    return ((field - field.mean()) / (field.std() + 1e-9)).astype(np.float32)


def colour(rng: Rng, around: Picture | None = None, spread: float = 0.12) -> Picture:
    """A colour [3] whose luminance varies more than its chroma, near `around` where given."""
    base = rng.beta(1.3, 1.5) + rng.normal(0, rng.choice([0.04, 0.12, 0.25]), 3) if around is None else around
    return np.clip(base + rng.normal(0, spread) + rng.normal(0, spread / 2, 3), 0, 1).astype(np.float32)


def gradient(rng: Rng, size: int, first: Picture, last: Picture, angle: float | None = None) -> Picture:
    """Linear blend of two colours across the picture; angle in radians, 0 = left to right."""
    angle = rng.uniform(0, 2 * np.pi) if angle is None else angle
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    t = np.clip(0.5 + np.cos(angle) * x + np.sin(angle) * y, 0, 1)[..., None]
    return (first * (1 - t) + last * t).astype(np.float32)


def texture(rng: Rng, size: int, base: Picture, contrast: float | None = None) -> Picture:
    """Rough surface: shading by luminance noise, and a weaker noise between two hues."""
    contrast = rng.uniform(0.02, 0.25) if contrast is None else contrast
    shade = noise_field(rng, size, rng.uniform(0.6, 2.0), rng.choice([0.3, 1.0, 1.0, 4.0]))[..., None]
    tint = noise_field(rng, size, rng.uniform(1.0, 2.2))[..., None] * rng.normal(0, contrast / 3, 3)
    return np.clip(base * (1 + contrast * shade) + tint, 0, 1).astype(np.float32)


def blurred(picture: Picture, sigma: float) -> Picture:
    """Gaussian blur in pixels."""
    return gaussian_filter(picture, (sigma, sigma, 0), mode="reflect") if sigma > 0.2 else picture


def landscape(rng: Rng, size: int) -> Picture:
    """Sky with clouds over ridges that fade into haze, down to the ground or water in front."""
    zenith, haze = colour(rng, np.array([0.45, 0.6, 0.8]), 0.2), colour(rng, np.array([0.8, 0.8, 0.8]), 0.15)
    picture = gradient(rng, size, zenith, haze, np.pi / 2)
    clouds = noise_field(rng, size, rng.uniform(1.3, 2.0), rng.uniform(0.2, 1.0)) - rng.uniform(-0.5, 2.0)
    picture += np.clip(clouds * rng.uniform(0.2, 1.0), 0, 1)[..., None] * (colour(rng, haze) - picture)
    rows, horizon = np.arange(size)[:, None], rng.uniform(0.15, 0.8) * size
    layers = int(rng.integers(1, 5))
    ground = colour(rng, np.array([0.3, 0.35, 0.2]), 0.15)
    for layer in range(layers):
        depth = (layer + 1) / layers
        profile = noise_field(rng, size, rng.uniform(1.0, 2.0))[0] * size * rng.choice([0.005, 0.04, 0.1])
        top = horizon + (size - horizon) * layer / layers * rng.uniform(0.5, 1.0) + profile
        cover = np.clip(rows - top[None], 0, 1)[..., None]
        flat = depth * colour(rng, ground) + (1 - depth) * haze
        surface = texture(rng, size, flat, rng.uniform(0.03, 0.35) * depth)
        picture += cover * (surface - picture)
    return np.clip(picture, 0, 1)


def sea(rng: Rng, size: int) -> Picture:
    """Horizontal bands of light, waves or dusk."""
    upper, lower = gradient(rng, size, colour(rng), colour(rng), np.pi / 2), texture(rng, size, colour(rng), 0.1)
    waves = noise_field(rng, size, rng.uniform(0.8, 1.6), 0.12)[..., None]
    lower = lower + waves * rng.uniform(0.02, 0.2) * (colour(rng) - lower)
    below = np.clip(np.arange(size) - rng.uniform(0.1, 0.9) * size, 0, 1)[:, None, None]
    return np.clip(upper + below * (lower - upper), 0, 1).astype(np.float32)


def leaf_outline(rng: Rng, kind: str, radius: float) -> NDArray[np.float64]:
    """Outline [k, 2] around the origin: blob, box, stick or leaf."""
    if kind == "box":
        points = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [1, rng.uniform(0.3, 1.5)]
    else:
        angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        ratio = {"blob": rng.uniform(0.5, 1), "stick": 0.07, "leaf": rng.uniform(0.15, 0.45)}[kind]
        points = np.stack([np.cos(angles), np.sin(angles) * ratio], 1) * (1 + rng.normal(0, 0.06, (16, 1)))
    turn = rng.normal(0, 0.1) if kind == "box" else rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return points @ rotation * radius


def dead_leaves(rng: Rng, size: int, kinds: tuple[str, ...] = ("blob", "box", "stick", "leaf")) -> Picture:
    """Textured shapes of power-law sizes that occlude each other, each lit from one side."""
    base = colour(rng)
    picture = texture(rng, size, base)
    surfaces = [texture(rng, size, colour(rng, base, rng.uniform(0.05, 0.3))) for _ in range(4)]
    kinds = tuple(rng.choice(kinds, rng.integers(1, len(kinds) + 1)))
    smallest, largest = rng.uniform(1.5, 6), rng.uniform(0.1, 0.4) * size
    for _ in range(int(rng.integers(40, 260))):
        u = rng.random()
        radius = (smallest**-2 * (1 - u) + largest**-2 * u) ** -0.5
        outline = leaf_outline(rng, str(rng.choice(kinds)), radius * (2.5 if "stick" in kinds else 1.2))
        low, high = np.floor(outline.min(0)).astype(int) - 1, np.ceil(outline.max(0)).astype(int) + 2
        corner = rng.integers(0, size, 2) + low
        start, end = np.clip(corner, 0, size), np.clip(corner + high - low, 0, size)
        if (end <= start).any():
            continue
        window = np.s_[start[1] : end[1], start[0] : end[0]]
        mask = Image.new("L", (int(end[0] - start[0]), int(end[1] - start[1])))
        ImageDraw.Draw(mask).polygon([tuple(p) for p in outline - low + corner - start], fill=255)
        cover = np.asarray(mask, np.float32)[..., None] / 255
        light = np.linspace(rng.uniform(0.5, 1), rng.uniform(0.8, 1.4), cover.shape[0], dtype=np.float32)[:, None, None]
        lit = surfaces[rng.integers(4)][window] * light + rng.normal(0, 0.05, 3).astype(np.float32)
        picture[window] += cover * (lit - picture[window])
    return np.clip(picture, 0, 1)


def foliage(rng: Rng, size: int) -> Picture:
    """Leaves, grass and twigs."""
    return dead_leaves(rng, size, ("leaf", "leaf", "stick")) * colour(rng, np.array([0.8, 0.95, 0.6]), 0.15)


def interior(rng: Rng, size: int) -> Picture:
    """Walls, frames, shelves and windows: axis-aligned boxes with gradients and bright openings."""
    picture = gradient(rng, size, colour(rng), colour(rng))
    base = colour(rng)
    for _ in range(int(rng.integers(5, 40))):
        x, y = rng.integers(-size // 8, size, 2)
        w, h = np.maximum(2, size * rng.beta(0.8, 2.5, 2)).astype(int)
        window = np.s_[max(0, y) : max(0, y + h), max(0, x) : max(0, x + w)]
        fill = gradient(rng, size, colour(rng, base, 0.25), colour(rng, base, 0.25))
        picture[window] = fill[window] * (rng.uniform(1.2, 2.0) if rng.random() < 0.1 else 1)
    return np.clip(picture * (1 + 0.05 * noise_field(rng, size, 1.2)[..., None]), 0, 1).astype(np.float32)


def city(rng: Rng, size: int) -> Picture:
    """Facades with rows of windows before the sky."""
    picture, x = landscape(rng, size), -int(rng.integers(0, size // 4))
    while x < size:
        width, top = int(size * rng.uniform(0.08, 0.4)), int(size * rng.uniform(0.0, 0.7))
        y, column = np.mgrid[0:size, 0:size]
        pitch_x, pitch_y, share = *rng.uniform(4, 18, 2), rng.uniform(0.3, 0.7)
        panes = ((column % pitch_x) < pitch_x * share) & ((y % pitch_y) < pitch_y * share)
        facade = np.where(panes[..., None], colour(rng), texture(rng, size, colour(rng), 0.05))
        window = np.s_[top:, max(0, x) : max(0, x + width)]
        picture[window] = facade[window]
        x += width + int(size * rng.uniform(0, 0.1))
    return np.clip(picture, 0, 1)


def stripes(rng: Rng, size: int) -> Picture:
    """Fences, blinds, tiles and folds: warped waves between two surfaces."""
    y, x = np.mgrid[0:size, 0:size] / size
    warp = noise_field(rng, size, 2.0) * rng.choice([0, 0.01, 0.05])
    wave = np.sin(2 * np.pi * rng.uniform(2, 30) * (x * rng.normal() + y * rng.normal() + warp))
    if rng.random() < 0.3:
        wave *= np.sin(2 * np.pi * rng.uniform(2, 20) * (x if rng.random() < 0.5 else y))
    t = np.clip(wave * rng.choice([0.5, 3, 20]) + 0.5, 0, 1)[..., None]
    first, second = texture(rng, size, colour(rng)), texture(rng, size, colour(rng))
    return (first + t * (second - first)).astype(np.float32)


def bokeh(rng: Rng, size: int) -> Picture:
    """Discs of light out of focus over a dim scene."""
    picture = blurred(texture(rng, size, colour(rng) * 0.5, 0.4), rng.uniform(2, 8))
    y, x = np.mgrid[0:size, 0:size]
    lamp = colour(rng)
    for _ in range(int(rng.integers(8, 60))):
        radius = size * rng.uniform(0.01, 0.12)
        distance = np.hypot(x - rng.uniform(0, size), y - rng.uniform(0, size))
        picture += np.clip(radius - distance, 0, 1)[..., None] * colour(rng, lamp, 0.2) * rng.uniform(0.1, 0.7)
    return np.clip(picture, 0, 1)


def plain(rng: Rng, size: int) -> Picture:
    """Studio backdrop or wall: gradient or glow with a slight texture."""
    picture = gradient(rng, size, first := colour(rng), colour(rng, first, 0.3))
    return np.clip(picture * texture(rng, size, np.full(3, rng.uniform(0.8, 1.1)), 0.05), 0, 1)


SCENES: tuple[tuple[Callable[[Rng, int], Picture], float], ...] = (
    (landscape, 0.22),
    (sea, 0.08),
    (dead_leaves, 0.22),
    (foliage, 0.12),
    (interior, 0.1),
    (city, 0.07),
    (stripes, 0.06),
    (bokeh, 0.05),
    (plain, 0.08),
)


def distract(rng: Rng, size: int, picture: Picture) -> Picture:
    """Blobs, some of them skin-coloured, that look like heads but are none."""
    canvas = Image.fromarray((picture * 255).astype(np.uint8))
    for _ in range(int(rng.integers(1, 4))):
        near = np.array([0.75, 0.55, 0.45]) * rng.uniform(0.3, 1.2) if rng.random() < 0.5 else None
        outline = leaf_outline(rng, "blob", size * rng.uniform(0.05, 0.25)) + rng.uniform(0, size, 2)
        fill = tuple(int(v) for v in colour(rng, near, 0.08) * 255)
        ImageDraw.Draw(canvas).polygon([tuple(p) for p in outline], fill=fill)
    return np.asarray(canvas, np.float32) / 255


def render_background(rng: Rng, size: int) -> Picture:
    """One background, float32 [size, size, 3] in [0, 1]: a scene, perhaps distractors, blur, vignette and exposure."""
    shares = np.array([share for _, share in SCENES])
    picture = SCENES[rng.choice(len(SCENES), p=shares / shares.sum())][0](rng, size)
    if rng.random() < 0.25:
        picture = distract(rng, size, picture)
    picture = blurred(picture, rng.choice([0, 0, 0.6, 1.0, 2.5, 6.0]) * size / 128)
    y, x = np.mgrid[0:size, 0:size] / size
    spot = np.exp(-np.hypot(x - rng.random(), y - rng.random()) * rng.uniform(0, 1.5))[..., None]
    return np.clip((picture * spot) ** rng.uniform(0.6, 1.4) * rng.uniform(0.8, 1.3), 0, 1).astype(np.float32)


def background_bank(path: Path, *, count: int, size: int, seed: int) -> NDArray[np.uint8]:
    """`count` backgrounds, uint8 [count, size, size, 3], each a function of (seed, its index), cached in `path`."""
    if not path.exists():
        bank = np.empty((count, size, size, 3), np.uint8)
        for index in range(count):
            bank[index] = np.rint(render_background(np.random.default_rng((seed, index)), size) * 255)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        np.save(partial, bank)
        os.replace(partial, path)
    bank = np.load(path, mmap_mode="r")
    if bank.shape != (count, size, size, 3):
        raise ValueError(f"{path.name} holds backgrounds of another count or size: {bank.shape}")
    return bank
