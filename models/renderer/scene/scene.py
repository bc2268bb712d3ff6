"""What Blender is asked to render, and what alpha and the other labels are rasterised from: plain
arrays and records.

Lengths are decimetres (x to the subject's left, y up, z to the front); Blender
gets metres, z up.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.renderer.blender.nodes import Graph
from models.renderer.mesh.geometry import Array, Faces, Points, unit

SENSOR_MM = 36.0


class Part(IntEnum):
    """Values of the part segmentation."""

    BACKGROUND = 0
    FACE = 1
    HAIR = 2
    CLOTHES = 3
    SKIN = 4
    ACCESSORIES = 5


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """A surface of triangles or quads. Where the vertex attribute `cut` is negative there is a
    hole."""

    points: Points
    faces: Faces
    material: str
    part: Part
    attributes: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    opaque: bool = True
    """False: seen in colour but not part of alpha, such as a lens."""
    shadow: bool = True
    face_weight: NDArray[np.float64] | None = None
    """Share of Part.FACE at each vertex; `part` elsewhere."""
    layer: int = 0
    """Clothes hide skin, a headscarf hides clothes: a surface of a lower layer that shows where
    `hidden` is above 0 pokes through."""
    hidden: NDArray[np.float64] | None = None


@dataclass(frozen=True, kw_only=True)
class Strands:
    """Hairs: curves through `points` [n, k, 3] of radius [n, k]."""

    points: NDArray[np.float64]
    radius: NDArray[np.float64]
    material: str
    part: Part = Part.HAIR
    rgb: NDArray[np.float64] | None = None
    """Linear colour of each [n, 3], which materials read as the attribute `rgb`."""
    broad: bool = False
    """Feathers rather than hairs: how they are cut at ends and bends can be seen, so alpha takes
    them as surfaces (`ribbons.py`)."""


@dataclass(frozen=True, kw_only=True)
class Lamp:
    """A light. AREA: a square of `size` dm and `power` watts at `position`; SUN: `power` in W/m2,
    `size` in radians."""

    kind: str
    position: tuple[float, float, float]
    target: tuple[float, float, float]
    size: float
    power: float
    rgb: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class World:
    """Light from everywhere."""

    panorama: NDArray[np.float32]
    """Radiance [h, 2 h, 3], equirectangular, its top row above (`surroundings.py`)."""
    towards: tuple[float, float, float]
    """Where its middle lies, as far as it is level."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole or a thin lens that looks from `position` to `target`."""

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    roll_rad: float
    focal_mm: float
    focus_dm: float
    aperture_dm: float
    """Radius of the lens; 0: everything is sharp."""

    def axes(self) -> Array:
        """Rows: right, up and forward, unit vectors [3, 3]."""
        forward = unit(np.subtract(self.target, self.position))
        right = unit(np.cross(forward, [0.0, 1.0, 0.0]))
        up = np.cross(right, forward)
        cos, sin = np.cos(self.roll_rad), np.sin(self.roll_rad)
        return np.stack([cos * right + sin * up, cos * up - sin * right, forward])

    def project(self, points: Points, size: int) -> Array:
        """Pixel coordinates (x to the right, y down, pixel centres at .5) and depth in dm along the
        axis: [n, 3]."""
        x, y, depth = ((points - self.position) @ self.axes().T).T
        scale = self.focal_mm / SENSOR_MM * size / np.maximum(depth, 1e-6)
        return np.stack([size / 2 + x * scale, size / 2 - y * scale, depth], axis=1)

    def raised(self, points: Points, margin: float, beyond: float = 0.0) -> "Camera":
        """Moved upwards until `points` [n, 3], but for a share `beyond`, lie below the top `margin`
        of the picture.

        `margin` is a share of the picture's side. A camera that already sees them stays where it
        is.
        """
        _, y, depth = self.project(points, 1).T
        needed = float(np.quantile((margin - y) * depth, 1 - beyond)) * SENSOR_MM / self.focal_mm
        shift = self.axes()[1] * max(needed, 0.0)
        return replace(
            self, position=triple(self.position + shift), target=triple(self.target + shift)
        )


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that is rendered. Materials by name."""

    meshes: tuple[Mesh, ...]
    strands: tuple[Strands, ...]
    materials: Mapping[str, Graph]
    world: World
    lamps: tuple[Lamp, ...]
    camera: Camera
    landmarks: Mapping[str, Points]
    """Points of the face by name, [3] each."""
    alpha_points: int = 8
    """Points along a pixel's side that alpha is counted at; even. Fur needs more than cloth."""
    meter_aim: float = 1.0
    """How bright the exposure makes the subject, in middle greys; more for white subjects, as
    photographers correct a meter's reading of snow."""

    def save(self, folder: Path) -> None:
        """Write scene.json and arrays.npz, in metres and with z up, for `blender.py`."""
        arrays: dict[str, NDArray[Any]] = {}

        def put(array: NDArray[Any], dtype: type) -> str:
            name = f"a{len(arrays)}"
            arrays[name] = np.ascontiguousarray(array, dtype)
            return name

        def put_all(attributes: Mapping[str, NDArray[np.float64]]) -> dict[str, str]:
            return {name: put(values, np.float32) for name, values in attributes.items()}

        header = {
            "meshes": [
                {
                    "points": put(metres(mesh.points), np.float32),
                    "faces": put(mesh.faces, np.int32),
                    "attributes": put_all(mesh.attributes),
                    "material": mesh.material,
                    "shadow": mesh.shadow,
                }
                for mesh in self.meshes
            ],
            "strands": [
                {
                    "points": put(metres(hair.points), np.float32),
                    "radius": put(hair.radius * 0.1, np.float32),
                    "rgb": None if hair.rgb is None else put(hair.rgb, np.float32),
                    "material": hair.material,
                }
                for hair in self.strands
            ],
            "materials": {name: graph.nodes for name, graph in self.materials.items()},
            "world": {
                "panorama": put(self.world.panorama, np.float32),
                "turn_rad": _turn(self.world),
            },
            "lamps": [_lamp(lamp) for lamp in self.lamps],
            "camera": _camera(self.camera),
        }
        (folder / "scene.json").write_text(json.dumps(header))
        np.savez(folder / "arrays.npz", **arrays)  # type: ignore[arg-type]


def triple(values: Array) -> tuple[float, float, float]:
    """Three numbers as a record holds them."""
    x, y, z = values.tolist()
    return x, y, z


def metres(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decimetres, y up, to Blender's metres, z up."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1) * 0.1


def _pose(position: Array, axes: Array) -> list[list[float]]:
    """Blender's matrix of an object that looks along -z with y up; axes: right, up, forward."""
    rotation = metres(np.stack([axes[0], axes[1], -axes[2]])) * 10
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation.T, metres(position)
    return matrix.tolist()


def _turn(world: World) -> float:
    """The angle from Blender's x to the middle of the panorama, about z."""
    x, y, _ = metres(np.array(world.towards))
    return float(np.arctan2(y, x))


def _lamp(lamp: Lamp) -> dict[str, Any]:
    view = Camera(
        position=lamp.position,
        target=lamp.target,
        roll_rad=0.0,
        focal_mm=50.0,
        focus_dm=1.0,
        aperture_dm=0.0,
    )
    size = lamp.size if lamp.kind == "SUN" else lamp.size * 0.1
    pose = _pose(np.array(lamp.position), view.axes())
    return {"kind": lamp.kind, "pose": pose, "size": size, "power": lamp.power, "rgb": lamp.rgb}


def _camera(camera: Camera) -> dict[str, Any]:
    f_number = camera.focal_mm / (camera.aperture_dm * 200) if camera.aperture_dm else 0.0
    return {
        "pose": _pose(np.array(camera.position), camera.axes()),
        "focal_mm": camera.focal_mm,
        "sensor_mm": SENSOR_MM,
        "focus_m": camera.focus_dm * 0.1,
        "f_number": f_number,
    }
