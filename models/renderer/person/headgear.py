"""What is worn on the head as meshes: glasses, hats, headscarves and headphones."""

import numpy as np

from models.renderer.mesh.geometry import (
    Array,
    Points,
    bump,
    grid_faces,
    merged,
    smoothing_matrix,
    smoothstep,
    tube,
    unit,
    vertex_normals,
)  # fmt: skip
from models.renderer.person.accessories import HAT_LINE_DM, SCARF_EDGE_DM, Accessories
from models.renderer.person.glasses import glasses
from models.renderer.person.makehuman import base_mesh
from models.renderer.person.pose import Posed
from models.renderer.scene.scene import Mesh, Part

SCARF_OFF_DM = 0.09


def meshes(accessories: Accessories, posed: Posed) -> list[Mesh]:
    """Everything that is worn on the head, in its pose."""
    made = glasses(accessories, posed) if accessories.glasses else []
    if accessories.headwear == "hat":
        made += _hat(accessories, posed)
    elif accessories.headwear == "headscarf":
        made += _headscarf(accessories, posed)
    elif accessories.headwear == "headphones":
        made += _headphones(posed)
    return made


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
