"""Glasses: rims, panes and temples as meshes."""

import numpy as np

from models.renderer.mesh.geometry import (
    Array,
    Faces,
    Points,
    grid_faces,
    merged,
    tube,
)  # fmt: skip
from models.renderer.person.accessories import Accessories
from models.renderer.person.makehuman import base_mesh
from models.renderer.person.pose import Posed
from models.renderer.scene.scene import Mesh, Part

RIM_POINTS = 48


def glasses(accessories: Accessories, posed: Posed) -> list[Mesh]:
    """Frame and lenses on nose and ears, in the head's pose."""
    base, head = base_mesh(), posed.unposed
    left, right = (head[base.group(f"helper-{side}-eye")].mean(axis=0) for side in "lr")
    x, y, _ = base.points.T
    bridge = head[base.is_body & (np.abs(x) < 0.5) & (y > 7.2) & (y < 7.5), 2].max() + 0.05
    half_width, half_height = accessories.lens_dm
    half_width *= np.clip((left[0] - right[0]) / 0.62, 0.75, 1.1)
    temple_x = np.abs(head[base.ears > 0.5, 0]).min() + 0.02
    frame: list[tuple[Points, Faces]] = []
    lenses: list[tuple[Points, Faces]] = []
    for eye in (left, right):
        side = np.sign(eye[0])
        rim = _rim(accessories, eye, side, half_width, half_height, bridge)
        frame.append(tube(rim, accessories.rim_dm, 8, closed=True))
        lenses.append(_lens(rim))
        hinge = rim[np.argmax(side * rim[:, 0])]
        ear = np.array([side * temple_x, eye[1] - 0.02, 0.3])
        bend = hinge + np.array([side * 0.06, 0, -0.08])
        path = np.stack([hinge, bend, [side * (temple_x + 0.03), eye[1], bridge * 0.6], ear])
        frame.append(tube(_resampled(path, 12), accessories.rim_dm * 0.85))
    between = np.linspace(right[0] + half_width - 0.015, left[0] - half_width + 0.015, 9)
    arch = left[1] + 0.02 + 0.045 * np.sin(np.linspace(0, np.pi, 9))
    frame.append(
        tube(np.stack([between, arch, np.full(9, bridge + 0.01)], axis=1), accessories.rim_dm)
    )
    parts = ((merged(frame), "frame", True), (merged(lenses), "lens", False))
    return [
        Mesh(
            points=posed.with_head(points),
            faces=faces,
            material=material,
            part=Part.ACCESSORIES,
            opaque=opaque,
            shadow=opaque,
        )
        for (points, faces), material, opaque in parts
    ]


def _rim(
    accessories: Accessories,
    eye: Array,
    side: float,
    half_width: float,
    half_height: float,
    bridge: float,
) -> Points:
    angle = np.linspace(0, 2 * np.pi, RIM_POINTS, endpoint=False)
    power = 2 / accessories.lens_squareness
    cos, sin = (np.sign(v) * np.abs(v) ** power for v in (np.cos(angle), np.sin(angle)))
    x, y = eye[0] + side * 0.02 + half_width * cos, eye[1] - 0.03 + half_height * sin
    return np.stack([x, y, bridge - 0.28 * np.maximum(np.abs(x) - 0.3, 0) ** 1.3], axis=1)


def _lens(rim: Points) -> tuple[Points, Faces]:
    """A curved pane in a rim: rings of points towards its middle."""
    middle = rim.mean(axis=0)
    rings = [
        middle + (rim - middle) * share + [0, 0, 0.03 * (1 - share**2)]
        for share in (1.0, 0.75, 0.5, 0.25, 0.02)
    ]
    return np.concatenate(rings), grid_faces(len(rings), len(rim))


def _resampled(path: Points, count: int) -> Points:
    at = np.linspace(0, len(path) - 1, count)
    return np.stack([np.interp(at, np.arange(len(path)), path[:, i]) for i in range(3)], axis=1)
