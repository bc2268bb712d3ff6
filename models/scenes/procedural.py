"""Procedural scenes with natural statistics, made of noise fields, occluding shapes and light.

Every layer works on pictures of floats [n, n, 3] in [0, 1]. Power-law spectra: Field 1987; dead
leaves: Lee, Mumford and Huang 2001 (shapes with r^-3 sizes that hide each other have the statistics
of photographs).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.scenes.textures import (
    Picture,
    Rng,
    colour,
    gradient,
    noise_field,
    smoothed,
    surface,
    texture,
)


def landscape(rng: Rng, size: int) -> Picture:
    """Sky with clouds over ridges that fade into haze, down to the ground or water in front."""
    zenith, haze = (
        colour(rng, np.array([0.45, 0.6, 0.8]), 0.2),
        colour(rng, np.array([0.8, 0.8, 0.8]), 0.15),
    )
    picture = gradient(rng, size, zenith, haze, np.pi / 2)
    clouds = noise_field(rng, size, rng.uniform(1.3, 2.0), rng.uniform(0.2, 1.0)) - rng.uniform(
        -0.5, 2.0
    )
    picture += np.clip(clouds * rng.uniform(0.2, 1.0), 0, 1)[..., None] * (
        colour(rng, haze) - picture
    )
    rows, horizon = np.arange(size)[:, None], rng.uniform(0.15, 0.8) * size
    layers = int(rng.integers(1, 5))
    ground = colour(rng, np.array([0.3, 0.35, 0.2]), 0.15)
    for layer in range(layers):
        depth = (layer + 1) / layers
        profile = (
            noise_field(rng, size, rng.uniform(1.0, 2.0))[0] * size * rng.choice([0.005, 0.04, 0.1])
        )
        top = horizon + (size - horizon) * layer / layers * rng.uniform(0.5, 1.0) + profile
        cover = np.clip(rows - top[None], 0, 1)[..., None]
        flat = depth * colour(rng, ground) + (1 - depth) * haze
        surface = texture(rng, size, flat, rng.uniform(0.03, 0.35) * depth)
        picture += cover * (surface - picture)
    return np.clip(picture, 0, 1)


def still_life(rng: Rng, size: int) -> Picture:
    """Large ellipsoids and cylinders, lit from one side, glossy or textured, before and behind each
    other."""
    y, x = np.mgrid[0:size, 0:size] / size
    base, light = colour(rng), rng.normal(0, 1, 2)
    picture = (
        gradient(rng, size, colour(rng, base, 0.3), colour(rng, base, 0.3))
        if rng.random() < 0.5
        else sea(rng, size)
    )
    round_share, gloss = rng.random(), rng.uniform(0, 0.8)
    for _ in range(int(rng.integers(2, 16))):
        turn, long, wide = rng.uniform(0, np.pi), rng.uniform(0.08, 0.6), rng.uniform(0.04, 0.3)
        dx, dy = x - rng.uniform(-0.1, 1.1), y - rng.uniform(-0.1, 1.1)
        u, v = (
            (dx * np.cos(turn) + dy * np.sin(turn)) / long,
            (dy * np.cos(turn) - dx * np.sin(turn)) / wide,
        )
        bulge, edge = (
            (u**2 + v**2, u**2 + v**2)
            if rng.random() < round_share
            else (v**2, np.maximum(u**2, v**2))
        )
        height = np.sqrt(np.clip(1 - bulge, 0, 1))
        facing = (light[0] * u * (edge is bulge) + light[1] * v + height) / np.sqrt(
            1 + (light**2).sum()
        )
        fill = texture(rng, size, colour(rng, base, 0.3), rng.choice([0.01, 0.05, 0.2]))
        lit = (
            fill * (0.35 + 0.9 * np.clip(facing, 0, 1))[..., None]
            + gloss * np.clip(facing, 0, 1)[..., None] ** 30
        )
        cover = np.clip((1 - edge) * size * wide / 2, 0, 1)[..., None]
        picture = picture + cover * (lit - picture)
    return np.clip(picture, 0, 1)


def sea(rng: Rng, size: int) -> Picture:
    """Horizontal bands of light, waves or dusk."""
    upper, lower = (
        gradient(rng, size, colour(rng), colour(rng), np.pi / 2),
        texture(rng, size, colour(rng), 0.1),
    )
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
        points = np.stack([np.cos(angles), np.sin(angles) * ratio], 1) * (
            1 + rng.normal(0, 0.06, (16, 1))
        )
    turn = rng.normal(0, 0.1) if kind == "box" else rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return points @ rotation * radius


def dead_leaves(
    rng: Rng, size: int, kinds: tuple[str, ...] = ("blob", "box", "stick", "leaf")
) -> Picture:
    """Textured shapes of power-law sizes that occlude each other, each lit from one side."""
    base = colour(rng)
    picture = texture(rng, size, base)
    surfaces = [texture(rng, size, colour(rng, base, rng.uniform(0.05, 0.3))) for _ in range(4)]
    kinds = tuple(rng.choice(kinds, rng.integers(1, len(kinds) + 1)))
    smallest, largest = rng.uniform(1.5, 6), rng.uniform(0.1, 0.4) * size
    for _ in range(int(rng.integers(40, 360))):
        u = rng.random()
        radius = (smallest**-2 * (1 - u) + largest**-2 * u) ** -0.5
        outline = leaf_outline(
            rng, str(rng.choice(kinds)), radius * (2.5 if "stick" in kinds else 1.2)
        )
        low, high = (
            np.floor(outline.min(0)).astype(int) - 1,
            np.ceil(outline.max(0)).astype(int) + 2,
        )
        corner = rng.integers(0, size, 2) + low
        start, end = np.clip(corner, 0, size), np.clip(corner + high - low, 0, size)
        if (end <= start).any():
            continue
        window = np.s_[start[1] : end[1], start[0] : end[0]]
        mask = Image.new("L", (int(end[0] - start[0]), int(end[1] - start[1])))
        ImageDraw.Draw(mask).polygon([tuple(p) for p in outline - low + corner - start], fill=255)
        cover = np.asarray(mask, np.float32)[..., None] / 255
        light = np.linspace(
            rng.uniform(0.5, 1), rng.uniform(0.8, 1.4), cover.shape[0], dtype=np.float32
        )[:, None, None]
        lit = surfaces[rng.integers(4)][window] * light + rng.normal(0, 0.05, 3).astype(np.float32)
        picture[window] += cover * (lit - picture[window])
    return np.clip(picture, 0, 1)


def foliage(rng: Rng, size: int) -> Picture:
    """Leaves, grass and twigs."""
    return dead_leaves(rng, size, ("leaf", "leaf", "stick")) * colour(
        rng, np.array([0.8, 0.95, 0.6]), 0.15
    )


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
    return np.clip(picture * (1 + 0.05 * noise_field(rng, size, 1.2)[..., None]), 0, 1).astype(
        np.float32
    )


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
    picture = smoothed(texture(rng, size, colour(rng) * 0.5, 0.4), rng.uniform(2, 8))
    y, x = np.mgrid[0:size, 0:size]
    lamp = colour(rng)
    for _ in range(int(rng.integers(8, 60))):
        radius = size * rng.uniform(0.01, 0.12)
        distance = np.hypot(x - rng.uniform(0, size), y - rng.uniform(0, size))
        picture += (
            np.clip(radius - distance, 0, 1)[..., None]
            * colour(rng, lamp, 0.2)
            * rng.uniform(0.1, 0.7)
        )
    return np.clip(picture, 0, 1)


def plain(rng: Rng, size: int) -> Picture:
    """Studio backdrop or wall: gradient or glow with a slight texture."""
    picture = gradient(rng, size, first := colour(rng), colour(rng, first, 0.3))
    return np.clip(picture * texture(rng, size, np.full(3, rng.uniform(0.8, 1.1)), 0.05), 0, 1)


SCENES: tuple[tuple[Callable[[Rng, int], Picture], float], ...] = (
    (landscape, 0.2),
    (surface, 0.14),
    (sea, 0.06),
    (still_life, 0.16),
    (dead_leaves, 0.2),
    (foliage, 0.1),
    (interior, 0.1),
    (city, 0.07),
    (stripes, 0.05),
    (bokeh, 0.04),
    (plain, 0.08),
)
