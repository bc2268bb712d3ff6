"""What is worn on the head: glasses, hats, headscarves, headphones."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.blender.nodes import Graph
from models.renderer.mesh.geometry import (
    Array,
    bump,
    grid_faces,
    merged,
    smoothing_matrix,
    smoothstep,
    tube,
    unit,
    vertex_normals,
)  # fmt: skip
from models.renderer.person.fabric import Fabric, draw_fabric
from models.renderer.person.makehuman import Faces, Points, base_mesh
from models.renderer.person.pose import Posed
from models.renderer.scene.scene import Mesh, Part

FRAMES = (
    (0.01, 0.01, 0.01),
    (0.12, 0.05, 0.02),
    (0.6, 0.5, 0.35),
    (0.45, 0.45, 0.47),
    (0.03, 0.04, 0.10),
)
RIM_POINTS = 48
HAT_LINE_DM = 7.62
SCARF_OFF_DM = 0.09
SCARF_EDGE_DM = 5.45


@dataclass(frozen=True, kw_only=True)
class Accessories:
    """Lengths in decimetres."""

    glasses: bool
    lens_dm: tuple[float, float]
    """Half the width and half the height of a lens."""
    lens_squareness: float
    """2: an ellipse, more: a rounded box."""
    rim_dm: float
    frame_rgb: tuple[float, float, float]
    metal: bool
    sunglasses: bool
    headwear: str
    hat: str
    hat_room_dm: float
    brim_dm: float
    fabric: Fabric
    seed: int


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Accessories:
    """The glasses and headwear in `labels`."""
    frame = int(rng.integers(len(FRAMES)))
    return Accessories(
        glasses=labels["glasses"] == "yes",
        lens_dm=(float(rng.uniform(0.23, 0.30)), float(rng.uniform(0.17, 0.25))),
        lens_squareness=float(rng.uniform(2, 4)),
        rim_dm=float(rng.uniform(0.010, 0.024)),
        frame_rgb=FRAMES[frame],
        metal=frame in (2, 3),
        sunglasses=bool(rng.random() < 0.12),
        headwear=labels["headwear"],
        hat=str(rng.choice(["beanie", "cap", "brimmed"])),
        hat_room_dm=float(rng.uniform(0.02, 0.16)),
        brim_dm=float(rng.uniform(0.45, 0.85)),
        fabric=draw_fabric(rng, knitted=False),
        seed=int(rng.integers(2**31)),
    )


def hair_limit(accessories: Accessories) -> float | None:
    """Hair with roots above this height on the base mesh is hidden; None: nothing is."""
    return {"hat": HAT_LINE_DM + 0.05, "headscarf": -1.0}.get(accessories.headwear)


def cloth_limit(accessories: Accessories) -> float:
    """Garments above this height on the base mesh lie below a headscarf; infinite where none is
    worn."""
    return SCARF_EDGE_DM + 0.3 if accessories.headwear == "headscarf" else np.inf


def lens_material(accessories: Accessories) -> Graph:
    """Glass that bends what the camera sees through it a little, mirrors at grazing angles and
    casts no shadow."""
    g = Graph()
    tint = (0.05, 0.05, 0.06, 1.0) if accessories.sunglasses else (0.96, 0.97, 0.97, 1.0)
    seen = g.node("ShaderNodeLightPath", output="Is Camera Ray")
    bent = g.node("ShaderNodeBsdfRefraction", {"Color": tint, "IOR": 1.03, "Roughness": 0.0})
    straight = g.node("ShaderNodeBsdfTransparent", {"Color": tint})
    through = g.node("ShaderNodeMixShader", {0: seen, 1: straight, 2: bent})
    mirror = g.node("ShaderNodeBsdfGlossy", {"Roughness": 0.01})
    fresnel = g.node("ShaderNodeFresnel", {"IOR": 1.4})
    return g.surface(
        g.node("ShaderNodeMixShader", {0: g.times(fresnel, seen), 1: through, 2: mirror})
    )


def meshes(accessories: Accessories, posed: Posed) -> list[Mesh]:
    """Everything that is worn on the head, in its pose."""
    made = _glasses(accessories, posed) if accessories.glasses else []
    if accessories.headwear == "hat":
        made += _hat(accessories, posed)
    elif accessories.headwear == "headscarf":
        made += _headscarf(accessories, posed)
    elif accessories.headwear == "headphones":
        made += _headphones(posed)
    return made


def _glasses(accessories: Accessories, posed: Posed) -> list[Mesh]:
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


def _shell(
    posed: Posed, off: Array, cut: Array, material: str, lowest: float, smooth: int = 6
) -> Mesh:
    """A surface `off` away from the skin, smoothed over ears and nose, where `cut` is not
    negative."""
    base = base_mesh()
    faces = base.faces("body")
    faces = faces[(cut[faces].max(axis=1) > -0.1) & (base.points[faces, 1].min(axis=1) > lowest)]
    smoothing, skin = smoothing_matrix(faces, len(base.points)), posed.points
    normals = vertex_normals(skin, faces)
    shell = skin.copy()
    for _ in range(smooth):
        shell = smoothing @ shell
    gap = ((shell - skin) * normals).sum(axis=1)
    shell = shell + normals * np.maximum(off - gap, 0)[:, None]
    return Mesh(
        points=shell,
        faces=faces,
        material=material,
        part=Part.ACCESSORIES,
        attributes={"cut": cut},
        layer=2,
    )


def _hat(accessories: Accessories, posed: Posed) -> list[Mesh]:
    base = base_mesh()
    _, y, z = base.points.T
    line = (
        HAT_LINE_DM + 0.24 * smoothstep(0.2, 1.2, z) + (0.1 if accessories.hat != "beanie" else 0.0)
    )
    off = 0.10 + accessories.hat_room_dm * smoothstep(7.9, 8.5, y) * (
        2.5 if accessories.hat == "beanie" else 1.2
    )
    hat = _shell(posed, off, np.where(base.is_body, y - line, -1.0), "hat", 6.5)
    if accessories.hat == "beanie":
        return [hat]
    rim = _ring_at(base.points[base.is_body], posed.unposed[base.is_body], line[base.is_body])
    return [hat, _brim(accessories, posed, rim)]


def _ring_at(base: Points, head: Points, line: Array, count: int = 64) -> Points:
    """Points around the head near the hat's line, in order of azimuth."""
    near = np.abs(base[:, 1] - line) < 0.12
    ring = head[near]
    middle = np.array([0.0, ring[:, 1].mean(), (ring[:, 2].max() + ring[:, 2].min()) / 2])
    azimuth = np.arctan2(ring[:, 0], ring[:, 2] - middle[2])
    reach = np.hypot(ring[:, 0], ring[:, 2] - middle[2])
    around = np.linspace(-np.pi, np.pi, count, endpoint=False)
    bins = np.digitize(azimuth, around)
    outer = np.array(
        [reach[bins == k].max() if (bins == k).any() else np.nan for k in range(1, count + 1)]
    )
    known = ~np.isnan(outer)
    outer = np.interp(around, around[known], outer[known], period=2 * np.pi) + 0.1
    waves = np.stack(
        [np.ones_like(azimuth), np.sin(azimuth), np.cos(azimuth), np.cos(2 * azimuth)], axis=1
    )
    fit = np.linalg.lstsq(waves, ring[:, 1], rcond=None)[0]
    height = (
        np.stack([np.ones_like(around), np.sin(around), np.cos(around), np.cos(2 * around)], axis=1)
        @ fit
    )
    for _ in range(4):
        outer = (np.roll(outer, 1) + 2 * outer + np.roll(outer, -1)) / 4
    return np.stack([outer * np.sin(around), height, middle[2] + outer * np.cos(around)], axis=1)


def _brim(accessories: Accessories, posed: Posed, rim: Points) -> Mesh:
    middle = rim.mean(axis=0)
    out = unit((rim - middle) * [1, 0, 1])
    ahead = smoothstep(0.35, 0.75, out[:, 2])
    reach = accessories.brim_dm * (
        ahead if accessories.hat == "cap" else 0.6 + 0.4 * np.abs(out[:, 2])
    )
    rows = []
    for share, thick in ((0, 0.0), (0.5, 0.0), (1, 0.0), (1, -0.03), (0.5, -0.03), (0, -0.03)):
        droop = -0.12 * share**2 - (
            0.1 * share * np.abs(out[:, 0]) if accessories.hat == "cap" else 0.0
        )
        rows.append(
            rim
            + out * (reach * share)[:, None]
            + np.stack([0 * reach, droop + 0 * reach + thick, 0 * reach], axis=1)
        )
    points = np.concatenate(rows)
    return Mesh(
        points=posed.with_head(points),
        faces=grid_faces(len(rows), len(rim)),
        material="brim",
        part=Part.ACCESSORIES,
    )


def _headscarf(accessories: Accessories, posed: Posed) -> list[Mesh]:
    """A cloth around head and neck that leaves the face free, and its fall on the shoulders."""
    base = base_mesh()
    x, y, z = base.points.T
    width = 0.66 - 0.10 * bump(y, 6.4, 0.4)
    face = ((x / width) ** 2 + ((y - 7.12) / 0.83) ** 2) - 1
    cut = np.where(z > 0.2, face * 0.5, 1.0)
    cut = np.where(base.is_body & (y > 5.3), np.minimum(cut, (y - SCARF_EDGE_DM) * 2), -1.0)
    rng = np.random.default_rng(accessories.seed)
    folds = sum(
        np.sin(base.points @ rng.normal(0, 4.5, 3) * [1.0] + rng.uniform(0, 6)) for _ in range(3)
    )
    off = (
        SCARF_OFF_DM
        + 0.05 * smoothstep(0, 0.4, cut)
        + 0.02 * folds
        + 0.23 * smoothstep(6.4, 5.8, y)
    )
    return [_shell(posed, off, cut, "scarf", 5.2, smooth=10)]


def _headphones(posed: Posed) -> list[Mesh]:
    base, head = base_mesh(), posed.unposed
    ears = [
        head[(base.ears > 0.5) & (base.points[:, 0] * side > 0)].mean(axis=0) for side in (1, -1)
    ]
    out = max(np.abs(head[base.ears > 0.5, 0]).max() - 0.02, 0.7)
    top = head[base.is_body, 1].max() + 0.14
    middle, height = ears[0][1], top - ears[0][1]
    angle = np.linspace(0, np.pi, 40)
    depth = (ears[0][2] + ears[1][2]) / 2
    band = np.stack(
        [np.cos(angle) * (out + 0.06), middle + np.sin(angle) * height, depth + 0 * angle], axis=1
    )
    parts = [tube(band + np.array([0, 0, shift]), 0.055) for shift in (-0.05, 0.05)]
    for side, ear in zip((1, -1), ears, strict=True):
        rows = []
        for reach, radius in (
            (-0.12, 0.30),
            (-0.1, 0.36),
            (0.08, 0.38),
            (0.16, 0.34),
            (0.19, 0.22),
            (0.2, 0.01),
        ):
            ring = np.linspace(0, 2 * np.pi, 32, endpoint=False)
            around = np.stack([0 * ring, 1.15 * np.sin(ring), np.cos(ring)], axis=1) * radius
            rows.append(np.array([side * (out + reach), middle, ear[2]]) + around)
        parts.append((np.concatenate(rows), grid_faces(len(rows), 32)))
    points, faces = merged(parts)
    return [
        Mesh(
            points=posed.with_head(points),
            faces=faces,
            material="headphones",
            part=Part.ACCESSORIES,
        )
    ]
