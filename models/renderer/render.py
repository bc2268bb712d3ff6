"""From what Cycles saw to a finished picture: alpha, straight colour, exposure, background, sensor,
labels."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from models.imaging.compositing import over
from models.imaging.decode import open_picture
from models.imaging.pixels import to_u8, to_u16, to_unit
from models.imaging.trimap import trimap
from models.renderer.blender.picture import RenderedPicture
from models.renderer.labels import ground_truth, quality_control
from models.renderer.labels.views import SceneGeometry
from models.renderer.scene import background
from models.renderer.scene.light import kelvin
from models.renderer.scene.scene import SENSOR_MM, Scene
from models.renderer.scene.surroundings import LUMA
from models.renderer.spec import SubjectSpec
from models.renderer.subjects import subject_of_spec

Image32 = NDArray[np.float32]
MIDDLE_GREY = 0.16
"""Linear brightness that the meter aims at, and how far it goes: dark skin or fur stays darker than
fair."""
METER_TRUST = 0.65
LENS_SOFTNESS_PX = 512
EDGE_SIGMA_PX = 0.8
LABELS = frozenset({"depth", "normals", "parts"})
"""Members that need to know which surface is seen at each point."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Effort. `samples`: paths a pixel; `alpha_points`: along a pixel's side, None: as many as the
    scene needs."""

    samples: int = 2
    alpha_points: int | None = None


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A subject as geometry, before any light is traced: tenths of a second, against seconds for a
    picture."""

    spec: SubjectSpec
    scene: Scene
    geometry: SceneGeometry
    defects: tuple[str, ...]
    """What quality control found; empty: fit to be drawn."""


def survey(spec: SubjectSpec) -> Survey:
    """Build a subject and judge it."""
    subject = subject_of_spec(spec)
    scene = subject.build_scene(spec)
    geometry = SceneGeometry(scene)
    return Survey(
        spec=spec,
        scene=scene,
        geometry=geometry,
        defects=quality_control.defects(scene, geometry, subject.face),
    )


def finish(
    surveyed: Survey, linear: Image32, *, size: int, members: tuple[str, ...], quality: Quality,
    photos: Path | None = None,
) -> RenderedPicture:  # fmt: skip
    """A picture of `size` pixels a side with the labels in `members`; `linear`: float32 [h, w, 4],
    premultiplied."""
    spec, scene, geometry = surveyed.spec, surveyed.scene, surveyed.geometry
    wanted = set(members)
    seen = (
        geometry.views(size, quality.alpha_points or scene.alpha_points).seen()
        if wanted & LABELS or not geometry.blurs(size)
        else None
    )
    alpha = ground_truth.alpha(geometry, size, seen)
    linear, alpha = softened(linear, alpha, spec.sensor.softness_px * size / LENS_SOFTNESS_PX)
    linear, alpha = moved(
        linear, alpha, spec.motion.length_px * size / LENS_SOFTNESS_PX, spec.motion.angle_rad
    )
    alpha = to_unit(to_u16(alpha))
    foreground = developed(straight(linear, alpha), alpha, spec, scene.meter_aim)
    behind = background.picture(spec.background, spec.light, size, photos)
    rgb = photographed(over(foreground, alpha[..., None], behind), spec)
    labels = (
        ground_truth.scene_labels(geometry, seen, alpha)
        if seen is not None and wanted & LABELS
        else None
    )
    return RenderedPicture(
        rgb_u8=rgb,
        alpha=alpha,
        fg_u8=to_u8(foreground) if "fg" in wanted else None,
        trimap_u8=trimap(alpha) if "trimap" in wanted else None,
        depth_mm=labels.depth_mm() if labels and "depth" in wanted else None,
        normals_u8=labels.normals_u8() if labels and "normals" in wanted else None,
        parts_u8=labels.parts if labels and "parts" in wanted else None,
        landmarks=ground_truth.landmarks(scene, size) if "landmarks" in wanted else {},
        camera=camera_facts(scene, size),
        defects=surveyed.defects,
    )


def straight(linear: Image32, alpha: Image32) -> Image32:
    """Colour without the background's share, [h, w, 3]; where Cycles saw too little, from around.

    At edges its few paths leave more noise in what it saw than in the denoised colour, and speckles
    where both are divided. There the mean of what it saw and of alpha is taken, and both sides are
    averaged over some pixels.
    """
    edge = ndimage.grey_erosion(np.minimum(linear[..., 3], alpha), 3)[..., None] < 1
    mixed = np.dstack([linear[..., :3], (linear[..., 3] + alpha) / 2])
    near = ndimage.gaussian_filter(mixed, (EDGE_SIGMA_PX, EDGE_SIGMA_PX, 0), mode="nearest")
    near = np.where(edge, near, linear)
    seen = near[..., 3:]
    colour = near[..., :3] / np.maximum(seen, 1e-4)
    weight = np.clip(seen * 4, 0, 1) * (seen > 0.02)
    filled, total = colour * weight, weight
    result, done = filled.copy(), weight.copy()
    for sigma in (0.7, 1.5, 4.0, 16.0):
        near = ndimage.gaussian_filter(filled, (sigma, sigma, 0), mode="nearest")
        mass = ndimage.gaussian_filter(total, (sigma, sigma, 0), mode="nearest")
        room = (1 - done) * np.clip(mass * 20, 0, 1)
        result += room * near / np.maximum(mass, 1e-6)
        done += room
    return np.asarray(result / np.maximum(done, 1e-6), np.float32)


def developed(
    colour: Image32, alpha: Image32, spec: SubjectSpec, meter_aim: float = 1.0
) -> Image32:
    """Linear light to display colours in [0, 1]: meter, white balance, a film-like curve, sRGB.

    The meter brings the subject towards `meter_aim` times middle grey.
    """
    brightness = colour @ LUMA
    metered = float((np.sqrt(np.clip(brightness, 0, 4)) * alpha).sum() / max(alpha.sum(), 1)) ** 2
    aim = MIDDLE_GREY * meter_aim
    gain = (aim / max(metered, 1e-4)) ** METER_TRUST * 2**spec.sensor.exposure_stops
    exposed = colour * gain * np.array(kelvin(spec.sensor.warmth))
    shaped_light = (exposed / 0.18) ** spec.sensor.contrast * 0.18
    shoulder = np.where(
        shaped_light > 0.5, 1 - 0.5 * np.exp(-(shaped_light - 0.5) / 0.5), shaped_light
    )
    return np.asarray(to_display(shoulder), np.float32)


def photographed(rgb: NDArray[np.floating], spec: SubjectSpec) -> NDArray[np.uint8]:
    """Sensor noise (photon and read noise, as in Foi et al. 2008) and JPEG, uint8 [h, w, 3]."""
    rng = np.random.default_rng(spec.sensor.seed)
    sigma = spec.sensor.noise * np.sqrt(0.4 + 1.2 * np.clip(rgb, 0, 1))
    grain = rng.normal(0, 1, (*rgb.shape[:2], 1)) * 0.8 + rng.normal(0, 1, rgb.shape) * 0.6
    noisy = to_u8(rgb + sigma * grain)
    if not spec.sensor.jpeg_quality:
        return noisy
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=spec.sensor.jpeg_quality)
    return np.asarray(open_picture(file.getvalue()).convert("RGB"))


def softened(linear: Image32, alpha: Image32, sigma_px: float) -> tuple[Image32, Image32]:
    """Premultiplied colour and alpha through the same lens blur, so that they still agree."""
    if sigma_px < 0.1:
        return linear, alpha
    return (
        ndimage.gaussian_filter(linear, (sigma_px, sigma_px, 0), mode="nearest"),
        ndimage.gaussian_filter(alpha, sigma_px, mode="nearest"),
    )


def moved(
    linear: Image32, alpha: Image32, length_px: float, angle_rad: float
) -> tuple[Image32, Image32]:
    """Premultiplied colour [h, w, 4] and alpha [h, w], averaged over a straight move, so that they
    still agree."""
    if length_px < 0.5:
        return linear, alpha
    kernel = motion_kernel(length_px, angle_rad)
    colour = np.stack(
        [ndimage.convolve(linear[..., c], kernel, mode="nearest") for c in range(4)], axis=-1
    )
    return colour, ndimage.convolve(alpha, kernel, mode="nearest")


def motion_kernel(length_px: float, angle_rad: float) -> Image32:
    """Weights [k, k], k odd, that sum to 1: a line through the middle; its points shared among
    their four pixels."""
    reach = int(np.ceil(length_px / 2))
    kernel = np.zeros((2 * reach + 1,) * 2)
    along = np.linspace(-length_px / 2, length_px / 2, 8 * reach + 1)
    x, y = reach + along * np.cos(angle_rad), reach - along * np.sin(angle_rad)
    for row in range(2 * reach + 1):
        for column in range(2 * reach + 1):
            near = np.clip(1 - np.abs(x - column), 0, None) * np.clip(1 - np.abs(y - row), 0, None)
            kernel[row, column] = near.sum()
    return np.asarray(kernel / kernel.sum(), np.float32)


def camera_facts(scene: Scene, size: int) -> dict[str, object]:
    """Intrinsics in pixels, and the pose: rows right, down, forward in the scene's frame;
    lengths in millimetres.

    Rounded: the last digits of sums differ from process to process.
    """
    camera = scene.camera
    right, up, forward = camera.axes()
    return {
        "focal_px": round(camera.focal_mm / SENSOR_MM * size, 5),
        "centre_px": [size / 2, size / 2],
        "rotation": np.stack([right, -up, forward]).round(9).tolist(),
        "position_mm": [round(value * 100, 5) for value in camera.position],
        "focus_mm": round(camera.focus_dm * 100, 5),
        "aperture_radius_mm": round(camera.aperture_dm * 100, 5),
    }


def to_display(linear: NDArray[np.floating]) -> NDArray[np.floating]:
    """Linear light to sRGB, both in [0, 1] (IEC 61966-2-1)."""
    light = np.clip(linear, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
