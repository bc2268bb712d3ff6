"""What is behind the subject: a procedural scene out of focus, or a crop of one of the user's
photographs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.renderer.scene.light import Light
from models.scenes.backgrounds import crop_photo, list_photos
from models.scenes.procedural import bokeh, city, foliage, interior
from models.scenes.textures import colour, gradient, noise_field, smoothed

Picture = NDArray[np.floating]
LUMA = np.array([0.299, 0.587, 0.114])
DETAIL_PX = 384
"""Scenes are drawn at this size and scaled, so that a spec's background is the same scene at every
size."""


@dataclass(frozen=True, kw_only=True)
class Background:
    """A scene by its kind and seed."""

    kind: str
    seed: int
    blur: float  # Gaussian sigma, a share of the picture's side
    brightness: float
    tinted: float  # how much of the light's colour it takes, 0 to 1
    saturation: float  # how colourful the scene is; 1 leaves it as it is


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Background:
    """The surroundings named in `labels`."""
    kind = labels["background"]
    blur = 0.0 if kind == "plain" else float(rng.uniform(0.006, 0.03))
    return Background(
        kind=kind,
        seed=int(rng.integers(2**31)),
        blur=blur,
        brightness=float(rng.uniform(0.65, 1.1)),
        tinted=float(rng.uniform(0.4, 0.9)),
        saturation=float(rng.beta(2, 2.5)),
    )


def picture(background: Background, light: Light, size: int, photos: Path | None = None) -> Picture:
    """float32 [size, size, 3] in [0, 1], display colours. With `photos`, a folder, a crop of one of
    its pictures."""
    if photos is not None:
        found = list_photos([photos])
        return np.asarray(
            crop_photo(found[background.seed % len(found)], (background.seed, 0), size), np.float32
        )
    rng = np.random.default_rng(background.seed)
    scene = SCENES[background.kind](rng, DETAIL_PX)
    scene = smoothed(scene, background.blur * DETAIL_PX)
    grey = scene @ LUMA
    scene = grey[..., None] + background.saturation * (scene - grey[..., None])
    tint = np.array(light.surroundings.rgb) * light.surroundings.strength + sum(
        np.array(lamp.rgb) * lamp.irradiance / 4 for lamp in light.lamps
    )
    tint = (tint / tint.mean()) ** (background.tinted / 2.2)
    return scaled(np.clip(scene * tint * background.brightness, 0, 1), size)


def scaled(scene: Picture, size: int) -> Picture:
    """To another size: box means down, bilinear up."""
    from PIL import Image

    channels = [
        np.asarray(
            Image.fromarray(scene[..., i].astype(np.float32)).resize(
                (size, size), Image.Resampling.BICUBIC
            )
        )
        for i in range(3)
    ]
    return np.clip(np.stack(channels, axis=-1), 0, 1)


def _plain(rng: np.random.Generator, size: int) -> Picture:
    """A studio's paper: one muted colour, a pool of light behind the subject, falling off to the
    corners."""
    base = colour(rng, np.full(3, rng.beta(1.6, 1.3)), 0.06)
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    away = np.hypot(x - rng.normal(0, 0.2), y - rng.normal(0, 0.2))
    pool = (
        1
        + rng.uniform(0, 0.35) * np.exp(-((away / rng.uniform(0.3, 0.7)) ** 2))
        - rng.uniform(0, 0.5) * away
    )
    slope = gradient(rng, size, np.full(3, 0.9), np.full(3, 1.1))
    return np.clip(
        base * pool[..., None] * slope + 0.004 * noise_field(rng, size, 1.0)[..., None], 0, 1
    )


def _bokeh(rng: np.random.Generator, size: int) -> Picture:
    return bokeh(rng, size)


SCENES: dict[str, Callable[[np.random.Generator, int], Picture]] = {
    "plain": _plain,
    "room": interior,
    "street": city,
    "foliage": foliage,
    "bokeh": _bokeh,
}
