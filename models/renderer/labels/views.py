"""A subject as triangles and strands, and what of them is seen at the points of a view."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.renderer.mesh import raster
from models.renderer.mesh.geometry import Array, catmull_rom, triangles, unit, vertex_normals
from models.renderer.mesh.ribbons import facing_ribbons
from models.renderer.scene.scene import SENSOR_MM, Camera, Mesh, Part, Scene, Strands

STRAND_STEPS = 4
"""Pieces of a curve between two control points: Blender's subdivision 2."""
SHARP_PX = 0.25
"""A blur of less radius than this is none."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Points of a z-buffer: the primitive at each, and what is known of primitives."""

    primitives: NDArray[np.int32]
    depths: NDArray[np.float32]
    per_pixel: int
    """Points along a pixel's side."""

    def covered(self) -> NDArray[np.float32]:
        """Share of each pixel's points that are covered, [h, w]."""
        return blocks(self.primitives >= 0, self.per_pixel).mean(axis=-1, dtype=np.float32)


class SceneGeometry:
    """A scene's opaque surfaces as primitives: triangles first, then strands."""

    def __init__(self, scene: Scene) -> None:
        self.camera = scene.camera
        self._meshes = [mesh for mesh in scene.meshes if mesh.opaque]
        self._strands = [hair for hair in scene.strands if not hair.broad]
        broad = [self._ribbons(hair) for hair in scene.strands if hair.broad]
        corners, cuts, parts, normals, hidden = [], [], [], [], []
        for mesh in (*self._meshes, *broad):
            faces = triangles(mesh.faces)
            corners.append(mesh.points[faces])
            cuts.append(
                mesh.attributes["cut"][faces] if "cut" in mesh.attributes else np.ones(faces.shape)
            )
            face = (
                mesh.face_weight[faces].mean(axis=1) > 0.5
                if mesh.face_weight is not None
                else np.zeros(len(faces), bool)
            )
            parts.append(np.where(face, Part.FACE, mesh.part))
            normals.append(unit(vertex_normals(mesh.points, mesh.faces)[faces].mean(axis=1)))
            hidden.append(
                mesh.hidden[faces].min(axis=1) if mesh.hidden is not None else np.zeros(len(faces))
            )
        self.corners, self._cuts = np.concatenate(corners), np.concatenate(cuts).astype(np.float32)
        self._curves = [_curves(hair, np.float32) for hair in self._strands]
        counts = [len(hair.points) for hair in self._strands]
        self.parts = np.concatenate(
            [
                *parts,
                *(np.full(n, hair.part) for n, hair in zip(counts, self._strands, strict=True)),
            ]
        )
        towards = [self._hair_normals(hair.points) for hair in self._strands]
        self.normals = np.concatenate([self._seen_side(np.concatenate(normals)), *towards])
        self.hidden = np.concatenate([*hidden, *(np.zeros(n) for n in counts)])
        self._blur = largest_blur(self.camera, self.corners)

    def _ribbons(self, hair: Strands) -> Mesh:
        points, quads = facing_ribbons(_curves(hair, np.float64), np.array(self.camera.position))
        return Mesh(points=points, faces=quads, material=hair.material, part=hair.part)

    def _seen_side(self, normals: Array) -> Array:
        """Turned round where a triangle is seen from behind, such as a collar's inside."""
        first, second, third = self.corners.transpose(1, 0, 2)
        away = (
            (first - np.array(self.camera.position)) * np.cross(second - first, third - first)
        ).sum(axis=1) > 0
        return np.where(away[:, None], -normals, normals)

    def _hair_normals(self, points: Array) -> Array:
        """Across each strand, towards the camera."""
        along = unit(points[:, -1] - points[:, 0])
        view = unit(np.array(self.camera.position) - points[:, 0])
        return unit(view - (view * along).sum(axis=1, keepdims=True) * along)

    def blurs(self, size: int) -> bool:
        """Whether the lens blurs the subject by more than SHARP_PX in pictures of size x size
        pixels."""
        return self.blur_px(size) >= SHARP_PX

    def blur_px(self, size: int) -> float:
        """The largest radius of the lens' blur of a point of the subject, in pixels of pictures of
        that size."""
        return self._blur * size

    def views(self, size: int, per_pixel: int) -> "Views":
        """The surfaces projected for pictures of size x size pixels, `per_pixel` points along a
        pixel's side."""
        scale = self.camera.focal_mm / SENSOR_MM * size * per_pixel
        keys = []
        for curve in self._curves:
            places = self._screen(curve[..., :3], size * per_pixel, scale)
            wide = curve[..., 3:] * scale / places[..., 2:]
            keys.append(np.concatenate([places, wide], axis=-1).astype(np.float32))
        corners = self._screen(self.corners, size * per_pixel, scale).astype(np.float32)
        return Views(
            corners=corners,
            cuts=self._cuts,
            keys=tuple(keys),
            side=size * per_pixel,
            per_pixel=per_pixel,
            scale=scale,
            focus_dm=self.camera.focus_dm,
            skin=len(triangles(self._meshes[0].faces)),
        )

    def _screen(self, points: Array, side: int, scale: float) -> Array:
        """[..., (x, y, depth)] in points of a z-buffer, depth in dm."""
        seen = (
            points - np.array(self.camera.position, points.dtype)
        ) @ self.camera.axes().T.astype(points.dtype)
        seen[..., :2] *= scale / np.maximum(seen[..., 2:], 1e-6)
        seen[..., 0] += side / 2
        seen[..., 1] = side / 2 - seen[..., 1]
        return np.asarray(seen)


@dataclass(frozen=True, kw_only=True)
class Views:
    """Surfaces in points of a z-buffer of `side` points, from which it is drawn through any point
    of the lens."""

    corners: NDArray[np.float32]
    cuts: NDArray[np.float32]
    keys: tuple[NDArray[np.float32], ...]
    side: int
    per_pixel: int
    scale: float
    focus_dm: float
    skin: int
    """Triangles of the skin; they come first."""

    def seen(
        self, lens_dm: tuple[float, float] = (0.0, 0.0), shift: tuple[float, float] = (0.0, 0.0)
    ) -> Seen:
        """The z-buffer seen from a point (right, up) of the lens; (0, 0): a pinhole's. `shift`: to
        the right, down."""
        depths, primitives = raster.empty(self.side)
        lens = self._lens(lens_dm, shift)
        raster.draw_triangles(self.corners, self.cuts, lens, 0, depths, primitives)
        first = len(self.corners)
        for keys in self.keys:
            raster.draw_strands(keys, lens, first, depths, primitives)
            first += len(keys)
        return Seen(primitives=primitives, depths=depths, per_pixel=self.per_pixel)

    def covered(
        self, lens_dm: tuple[float, float], shift: tuple[float, float], room: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Share of each pixel's points that are covered, [h, w], as `seen` would have it; right
        where room is 0.

        room: [h, w], how many pixels around each one are known to be covered.
        """
        covered, lens = np.zeros((self.side, self.side), np.bool_), self._lens(lens_dm, shift)
        raster.cover_triangles(self.corners, self.cuts, lens, room, self.per_pixel, covered)
        for keys in self.keys:
            raster.cover_strands(keys, lens, room, self.per_pixel, covered)
        return np.asarray(blocks(covered, self.per_pixel).mean(axis=-1, dtype=np.float32))

    def _lens(
        self, lens_dm: tuple[float, float], shift: tuple[float, float]
    ) -> NDArray[np.float32]:
        point = np.array([lens_dm[0], -lens_dm[1]]) * self.scale
        return np.concatenate([point, point / self.focus_dm + shift]).astype(np.float32)

    def bare(self) -> Seen:
        """The skin alone: what would be seen without eyes, hair and clothes in the way."""
        depths, primitives = raster.empty(self.side)
        pinhole = np.zeros(4, np.float32)
        raster.draw_triangles(
            self.corners[: self.skin], self.cuts[: self.skin], pinhole, 0, depths, primitives
        )
        return Seen(primitives=primitives, depths=depths, per_pixel=self.per_pixel)


def _curves(hair: Strands, dtype: type) -> Array:
    """[n, pieces + 1, (x, y, z, radius)] along each strand."""
    keys: Array = np.concatenate([hair.points, hair.radius[..., None]], axis=-1, dtype=dtype)
    return catmull_rom(keys, STRAND_STEPS)


def largest_blur(camera: Camera, corners: Array) -> float:
    """The largest radius of the blur of the subject's points, as a share of the picture's side."""
    depth = ((corners.reshape(-1, 3) - np.array(camera.position)) @ camera.axes()[2]).clip(1e-3)
    spread = np.abs(1 / depth - 1 / camera.focus_dm)
    return float(np.percentile(spread, 99) * camera.aperture_dm * camera.focal_mm / SENSOR_MM)


def blocks(points: NDArray, per_pixel: int) -> NDArray:  # type: ignore[type-arg]
    """[h * p, w * p] points to [h, w, p * p]."""
    h, w = (side // per_pixel for side in points.shape)
    return points.reshape(h, per_pixel, w, per_pixel).swapaxes(1, 2).reshape(h, w, -1)
