"""Where the camera stands, how it frames, what its sensor adds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from models.renderer.mesh.geometry import Array, Points
from models.renderer.scene.scene import SENSOR_MM, Camera, triple


@dataclass(frozen=True, kw_only=True)
class CameraSpec:
    """Angles in radians; the frame in heights of the head."""

    pitch_rad: float
    """Above the eyes."""
    roll_rad: float
    frame_heads: float
    """Side of the picture's square where the head is."""
    offset_heads: tuple[float, float]
    """How far the picture's middle is from the head's, to the right and down."""
    distance_dm: float
    f_number: float
    """0: all is sharp."""


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """What happens between light and file."""

    exposure_stops: float
    warmth: float
    """White balance: 0 as metered, above it too warm."""
    contrast: float
    noise: float
    """Standard deviation at middle grey, of 1."""
    softness_px: float
    """Blur of the lens: Gaussian sigma for a picture of 512 px."""
    jpeg_quality: int
    """0: not compressed."""
    seed: int


@dataclass(frozen=True, kw_only=True)
class Motion:
    """How the subject moves against the camera while the shutter is open: a straight line at an
    even speed."""

    length_px: float
    """For a picture of 512 px; 0: still."""
    angle_rad: float
    """From the picture's right towards its top."""


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> CameraSpec:
    """A portrait's framing: head and shoulders, from 0.8 to 2.2 m."""
    return CameraSpec(
        pitch_rad=float(rng.normal(0.02, 0.08)),
        roll_rad=float(rng.normal(0, 0.02)),
        frame_heads=float(rng.uniform(1.65, 2.5)),
        offset_heads=(float(rng.normal(0, 0.06)), float(rng.uniform(0.22, 0.42))),
        distance_dm=float(rng.uniform(8, 22)),
        f_number=float(rng.choice([0.0, 2.0, 2.8, 4.0], p=[0.4, 0.15, 0.25, 0.2])),
    )


def draw_aligned(rng: np.random.Generator, labels: Mapping[str, str]) -> CameraSpec:
    """A portrait whose head has one size and one place, to a few pixels of 128."""
    return CameraSpec(
        pitch_rad=float(rng.normal(0.02, 0.05)),
        roll_rad=float(rng.normal(0, 0.01)),
        frame_heads=float(np.clip(rng.normal(1.95, 0.08), 1.75, 2.2)),
        offset_heads=(float(rng.normal(0, 0.02)), float(rng.normal(0.28, 0.02))),
        distance_dm=float(rng.uniform(12, 22)),
        f_number=float(rng.choice([0.0, 4.0])),
    )


def draw_sensor(rng: np.random.Generator, labels: Mapping[str, str]) -> Sensor:
    """Noisier in the evening."""
    evening = labels["light"] == "evening"
    return Sensor(
        exposure_stops=float(rng.normal(-0.3 if evening else 0.0, 0.22)),
        warmth=float(rng.normal(0, 0.06)),
        contrast=float(rng.uniform(0.9, 1.2)),
        noise=float(min(rng.exponential(0.007), 0.03) + (0.004 if evening else 0.0)),
        softness_px=float(rng.uniform(0.0, 0.7)),
        jpeg_quality=int(rng.integers(75, 98)) if rng.random() < 0.5 else 0,
        seed=int(rng.integers(2**31)),
    )


def draw_clean_sensor(rng: np.random.Generator, labels: Mapping[str, str]) -> Sensor:
    """The same exposure and colours, next to no noise, a sharp lens, no JPEG."""
    sensor = draw_sensor(rng, labels)
    return replace(sensor, noise=min(sensor.noise, 0.006), softness_px=0.0, jpeg_quality=0)


def draw_motion(rng: np.random.Generator, labels: Mapping[str, str]) -> Motion:
    """One picture in eight is blurred by motion."""
    moves = rng.random() < 0.125
    return Motion(
        length_px=float(rng.uniform(2, 10)) if moves else 0.0,
        angle_rad=float(rng.uniform(0, np.pi)) if moves else 0.0,
    )


def draw_still(rng: np.random.Generator, labels: Mapping[str, str]) -> Motion:
    """Nobody moves."""
    return Motion(length_px=0.0, angle_rad=0.0)


def placed(spec: CameraSpec, head: Points, eyes: Array, body_yaw_rad: float) -> Camera:
    """The camera of a posed head, points [n, 3]: it goes around the body by its yaw, so that the
    body is seen turned. `eyes` [3], the middle between them, is sharp."""
    low, high = head.min(axis=0), head.max(axis=0)
    middle, height = (low + high) / 2, high[1] - low[1]
    cos, sin = np.cos(spec.pitch_rad), np.sin(spec.pitch_rad)
    towards = np.array([-np.sin(body_yaw_rad) * cos, sin, np.cos(body_yaw_rad) * cos])
    right = np.array([np.cos(body_yaw_rad), 0.0, np.sin(body_yaw_rad)])
    target = (
        middle
        + (right * spec.offset_heads[0] - np.array([0, 1.0, 0]) * spec.offset_heads[1]) * height
    )
    frame = spec.frame_heads * height
    distance = spec.distance_dm * height / 2.4
    focal = SENSOR_MM * distance / frame
    position = target + towards * distance
    return Camera(
        position=triple(position),
        target=triple(target),
        roll_rad=spec.roll_rad,
        focal_mm=float(focal),
        focus_dm=float((eyes - position) @ -towards),
        aperture_dm=float(focal / spec.f_number / 200) if spec.f_number else 0.0,
    )
