"""Alpha, parts, depth and normals of a scene, from the same arrays that Blender renders."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.imaging.pixels import nearest_u8, nearest_u16
from models.renderer.labels.views import SceneGeometry, Seen, blocks
from models.renderer.mesh.geometry import unit
from models.renderer.scene.scene import Part, Scene

LENS_POINTS, LENS_PER_PIXEL = 12, 4
R2 = (0.7548776662466927, 0.5698402909980532)
GOLDEN_RAD = np.pi * (3 - np.sqrt(5))
TINY_ALPHA = 0.5 / 65535


def alpha(geometry: SceneGeometry, size: int, sharp: Seen | None) -> NDArray[np.float32]:
    """Share of each pixel's light that comes from the subject, float32 [size, size] in [0, 1].

    `sharp` is the pinhole's view, and is not needed of a lens that blurs: its views from points of
    its disk (sunflower seeds, Vogel 1979) are averaged. What the first of them sees covered all
    around, further than the lens blurs, the others need not look at.
    """
    if sharp is not None and not geometry.blurs(size):
        return sharp.covered()
    views = geometry.views(size, LENS_PER_PIXEL)
    room, shares = np.zeros((size, size), np.int32), []
    for n in range(LENS_POINTS):
        radius, angle = (
            geometry.camera.aperture_dm * np.sqrt((n + 0.5) / LENS_POINTS),
            n * GOLDEN_RAD,
        )
        shares.append(
            views.covered((radius * np.cos(angle), radius * np.sin(angle)), within_point(n), room)
        )
        if n == 0:
            inside = ndimage.distance_transform_cdt(shares[0] == 1, "chessboard")
            room = np.maximum(inside - int(np.ceil(2 * geometry.blur_px(size) + 1)), 0).astype(
                np.int32
            )
    return np.where(room > 0, np.float32(1), np.mean(shares, axis=0, dtype=np.float32))


def within_point(n: int) -> tuple[float, float]:
    """Where in its square, [-0.5, 0.5), the n-th view looks: evenly spread (the R2 sequence,
    Roberts 2018)."""
    x, y = (np.array(R2) * n + 0.5) % 1 - 0.5
    return float(x), float(y)


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Where alpha is 0 all are 0."""

    parts: NDArray[np.uint8]
    """`models.renderer.scene.scene.Part`, [h, w]."""
    depth_dm: NDArray[np.float32]
    """From the camera's plane, [h, w]."""
    normals: NDArray[np.float32]
    """In the camera's frame, [h, w, 3]: right, up, towards it."""

    def depth_mm(self) -> NDArray[np.uint16]:
        """Whole millimetres."""
        return nearest_u16(self.depth_dm * 100)

    def normals_u8(self) -> NDArray[np.uint8]:
        """(n + 1) * 127.5, and 0 where alpha is 0."""
        return np.where(self.parts[..., None] > 0, nearest_u8((self.normals + 1) * 127.5), 0)


def scene_labels(geometry: SceneGeometry, sharp: Seen, alpha_unit: NDArray[np.float32]) -> Labels:
    """What the pinhole sees in each pixel.

    Each pixel has the part that covers most of it, with the means of that part's points; a pixel
    with alpha above 0 and no point of the pinhole's view takes its nearest neighbour's.
    """
    step = 2 if sharp.per_pixel % 2 == 0 else 1  # a quarter of the points is enough for a vote
    per_pixel = sharp.per_pixel // step
    ids = blocks(sharp.primitives[::step, ::step], per_pixel)
    there = ids >= 0
    of_point = np.where(there, geometry.parts[ids], 0)
    counts = np.stack([(of_point == part).sum(axis=-1) for part in Part])
    parts = np.where(there.any(axis=-1), counts[1:].argmax(axis=0) + 1, 0)
    chosen = there & (of_point == parts[..., None])
    number = np.maximum(chosen.sum(axis=-1), 1)
    depth = (
        np.where(chosen, blocks(sharp.depths[::step, ::step], per_pixel), 0).sum(axis=-1) / number
    )
    camera_normals = geometry.normals @ geometry.camera.axes().T * [1, 1, -1]
    normals = (camera_normals[ids] * chosen[..., None]).sum(axis=-2)
    visible = alpha_unit > TINY_ALPHA
    nearest = ndimage.distance_transform_edt(
        parts == 0, return_distances=False, return_indices=True
    )
    parts, depth, normals = (
        np.where(_like(visible, at), at[tuple(nearest)], 0) for at in (parts, depth, unit(normals))
    )
    return Labels(
        parts=parts.astype(np.uint8),
        depth_dm=depth.astype(np.float32),
        normals=normals.astype(np.float32),
    )


def landmarks(scene: Scene, size: int) -> dict[str, tuple[float, float]]:
    """(x, y) in pixels from the top left corner, also of those that are hidden or out of the
    picture."""
    places = np.stack(list(scene.landmarks.values()))
    pixels = scene.camera.project(places, size)[:, :2].round(3).tolist()
    return {name: (x, y) for name, (x, y) in zip(scene.landmarks, pixels, strict=True)}


def _like(mask: NDArray[np.bool_], values: NDArray) -> NDArray[np.bool_]:  # type: ignore[type-arg]
    return mask[..., None] if values.ndim == 3 else mask
