"""Photographs from environment maps: perspective views of equirectangular panoramas, tone-mapped.

Environment maps for lighting are photographs of whole surroundings, and good ones are in the public
domain (Poly Haven); their views serve as backgrounds that no procedure imitates.
"""

from pathlib import Path

import click
import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates

from models.imaging.pixels import to_u8

Rng = np.random.Generator
Radiance = NDArray[np.float32]
"""Linear RGB, float32 [h, w, 3]; a panorama has w = 2 h, its rows run from zenith to nadir."""


def read_panorama(path: Path) -> Radiance:
    """An OpenEXR file's RGB. Raises ValueError if it holds none or is not twice as wide as high."""
    channels = OpenEXR.File(str(path)).channels()
    whole = next((channels[name].pixels for name in ("RGB", "RGBA") if name in channels), None)
    if whole is None and not {"R", "G", "B"} <= channels.keys():
        raise ValueError(
            f"{path.name}: expected channels R, G and B, got {', '.join(sorted(channels))}"
        )
    pixels = (
        whole if whole is not None else np.stack([channels[name].pixels for name in "RGB"], axis=-1)
    )
    height, width = pixels.shape[:2]
    if width != 2 * height:
        raise ValueError(
            f"{path.name}: expected a panorama twice as wide as high, got {width} x {height}"
        )
    return np.asarray(pixels[..., :3], np.float32).clip(0)


def view(
    panorama: Radiance, *, size: int, yaw: float, pitch: float, field_of_view: float
) -> Radiance:
    """A pinhole camera's square picture [size, size, 3]; angles in radians, pitch > 0 looks up."""
    half = np.tan(field_of_view / 2)
    x, y = np.meshgrid(*[(np.arange(size) + 0.5) / size * 2 * half - half] * 2)
    up, forward = np.sin(pitch) - y * np.cos(pitch), np.cos(pitch) + y * np.sin(pitch)
    longitude, latitude = yaw + np.arctan2(x, forward), np.arctan2(up, np.hypot(x, forward))
    height, width = panorama.shape[:2]
    rows = (0.5 - latitude / np.pi) * height - 0.5
    columns = (longitude / (2 * np.pi) % 1) * width - 0.5
    wrapped = np.pad(panorama, ((0, 0), (2, 2), (0, 0)), mode="wrap")
    planes = [
        map_coordinates(wrapped[..., band], [rows, columns + 2], order=1, mode="nearest")
        for band in range(3)
    ]
    return np.stack(planes, axis=-1).astype(np.float32)


def develop(radiance: Radiance, rng: Rng) -> NDArray[np.uint8]:
    """sRGB picture [h, w, 3], exposed as a camera would, give or take half a stop, with a shoulder
    for lights."""
    luminance = radiance @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    exposure = rng.uniform(0.25, 0.6) / (luminance.mean() + np.median(luminance) + 1e-6)
    shoulder = 1 - np.exp(-2 * exposure * radiance)
    encoded = np.where(
        shoulder <= 0.0031308, 12.92 * shoulder, 1.055 * shoulder ** (1 / 2.4) - 0.055
    )
    return to_u8(encoded)


def draw_view(panorama: Radiance, rng: Rng) -> NDArray[np.uint8]:
    """A random view at the panorama's own resolution: 40 to 90 degrees wide, up to 30 degrees up or
    down."""
    angle, yaw, pitch = np.radians(
        [rng.uniform(40, 90), rng.uniform(0, 360), np.clip(rng.normal(0, 12), -30, 30)]
    )
    size = round(panorama.shape[1] * angle / (2 * np.pi))
    return develop(view(panorama, size=size, yaw=yaw, pitch=pitch, field_of_view=angle), rng)


@click.command("panorama-views")
@click.argument("panoramas", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for the PNG files."
)
@click.option("--views", default=40, show_default=True, help="Views of each panorama.")
@click.option("--seed", default=0, show_default=True)
def main(panoramas: tuple[Path, ...], out: Path, views: int, seed: int) -> None:
    """Draw photographs from OpenEXR panoramas, for `matteforge train matting --photos`."""
    out.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(panoramas):
        panorama = read_panorama(path)
        for index in range(views):
            picture = draw_view(panorama, np.random.default_rng((seed, number, index)))
            Image.fromarray(picture).save(out / f"{number:03d}-{path.stem}-{index:03d}.png")


if __name__ == "__main__":
    main()
