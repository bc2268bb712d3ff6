"""The skin of an animal: head, lids and ears as one mesh, and what is known of it at rest."""

import numpy as np

from models.renderer.animals import coat, collar, ears, eyes, fur, mane
from models.renderer.animals.head import along_neck, height_dm, skull
from models.renderer.animals.pose import PosedAnimal
from models.renderer.animals.spec import AnimalSpec
from models.renderer.mesh.geometry import Array, Points, merged, smoothstep, vertex_normals
from models.renderer.mesh.implicit import ellipsoid, isosurface, normals, united
from models.renderer.scene.scene import Mesh, Part

CELL, WIDEST_DM = 0.032, 0.065
"""Side of the mesh's cells, in heights of the head; and the longest."""
LOWEST = -2.4
"""Where the body is cut off, in heights of the head: below every picture."""
HEAD_ENDS = 0.3
"""How far down the neck the head goes, a share of it."""
STANDS = 0.5
"""How high above the skin a hair reaches, a share of its length."""
UNDERCOAT = (0.85, 0.5)
"""Brightness of the skin below short and below long fur, a share of the coat's."""


class Hide:
    """The resting skin. Attributes of each of its vertices: `length_dm` and `density` of hairs,
    `direction` in which they lie, `rgb` of the coat."""

    def __init__(
        self, spec: AnimalSpec, both_eyes: tuple[eyes.Eye, eyes.Eye],
        both_ears: tuple[ears.Ear, ears.Ear], nose: Points, lips: list[Points],
    ) -> None:  # fmt: skip
        self.spec, self._eyes, self._ears, self._nose, self._lips = (
            spec, both_eyes, both_ears, nose, lips,
        )  # fmt: skip
        head, lids = self._head(), [eyes.lids(eye) for eye in both_eyes]
        self.points, self.faces = merged(
            [head, *((p, f) for p, f, _ in lids), *((ear.points, ear.faces) for ear in both_ears)]
        )
        counts = [len(head[0]), *(len(p) for p, _, _ in lids), *(len(e.points) for e in both_ears)]
        owner = np.repeat(np.arange(5), counts)
        self.is_skull, self.is_lid, self.is_ear = owner == 0, (owner == 1) | (owner == 2), owner > 2
        self.normals = vertex_normals(self.points, self.faces)
        self.normals[self.is_skull] = normals(self.shape, self.points[self.is_skull])
        self.is_head = self.is_skull & (along_neck(spec.head, self.points) < HEAD_ENDS)
        self._margin = np.concatenate([d for _, _, d in lids])
        self._furnish()

    def shape(self, points: Points) -> Array:
        """Distance to the skin with the bulges of its eyes, [n]."""
        found = skull(self.spec.head, points)
        for eye in self._eyes:
            bulge = ellipsoid(points, eye.middle, np.full(3, eye.eyes.radius_dm * 1.02))
            found = united(found, bulge, 0.1)
        return found

    def _head(self):  # type: ignore[no-untyped-def]
        head = self.spec.head
        wide = max(head.chest_width, head.skull_width, head.cheek_x + head.cheek_size) + 0.4
        low = np.array(
            [-wide, LOWEST * height_dm(head), min(head.neck_z - head.chest_width * 1.2, -1.6) - 0.4]
        )
        high = np.array([wide, head.skull_height + 0.4, head.muzzle_z + 0.7])
        return isosurface(self.shape, low, high, min(CELL * height_dm(head), WIDEST_DM))

    def _furnish(self) -> None:
        spec, p = self.spec, self.points
        length = fur.lengths(spec.fur, spec.head, p)
        length = length * (1 - 0.75 * collar.covers(spec.collar, spec.head, p))
        density = np.ones(len(p))
        for eye in self._eyes:
            near = np.linalg.norm(p - eye.middle, axis=1) < eye.eyes.radius_dm * 1.25
            density[near & (eye.opening(p) < 1.25)] = 0
        nose = spec.nose_mouth
        if nose.width_dm > 0.02:
            off = (p - self._nose) / np.array([nose.width_dm, nose.height_dm, 0.3])
            density *= smoothstep(0.75, 1.05, np.linalg.norm(off, axis=1))
        density[self.is_lid] = smoothstep(1.1, 1.5, self._margin) * 0.6
        length[self.is_lid] *= 0.4
        direction = fur.lies(p, self._nose, [eye.middle for eye in self._eyes])
        rgb = coat.coat_rgb(spec.coat, spec.head, p)
        shade = np.interp(length, [0.05, 0.15], UNDERCOAT)[:, None]
        skin = rgb * shade
        dark = smoothstep(1.35, 1.05, self._margin)[:, None] * spec.eyes.rim
        skin[self.is_lid] = skin[self.is_lid] * (1 - dark) + dark * 0.008
        self._furnish_ears(length, density, direction, rgb, skin)
        self.length_dm, self.density, self.direction, self.rgb, self.skin = (
            length, density, direction, rgb, skin,
        )  # fmt: skip
        self.over_fur_dm = 0.02 + 0.1 * spec.fur.neck_dm * spec.fur.factor

    def _furnish_ears(
        self, length: Array, density: Array, direction: Points, rgb: Array, skin: Array
    ) -> None:
        spec, on = self.spec, self.is_ear
        inner = np.concatenate([ear.inner for ear in self._ears])
        edge = np.concatenate([ear.edge for ear in self._ears])
        along = np.concatenate([ear.along for ear in self._ears])
        ways = [np.broadcast_to(ear.tip - ear.base, ear.points.shape) for ear in self._ears]
        direction[on] = np.concatenate(ways) / np.linalg.norm(ways[0][0])
        whole = spec.fur.ear_dm * spec.fur.factor
        length[on] = whole * (0.7 + 0.3 * edge) * (1 + 0.8 * (1 - along) * inner)
        density[on] = np.where(inner > 0.5, 0.10 + 0.9 * edge, 1.6)
        back = coat.ear_backs(spec.coat, rgb[on])
        hollow = inner[:, None] * (1 - edge[:, None]) * 0.75
        skin[on] = back * UNDERCOAT[0] * (1 - hollow) + np.array(spec.coat.skin_rgb) * hollow
        pale = (inner * (1 - 0.6 * edge))[:, None]
        rgb[on] = back + (0.5 * np.array(spec.coat.light_rgb) + 0.2 * skin[on] - back) * pale * 0.8

    def mesh(self, posed: PosedAnimal) -> Mesh:
        """The posed skin as it is rendered: with holes for the eyes, in the undercoat's colour."""
        cut = np.ones(len(self.points))
        for eye in self._eyes:
            near = np.linalg.norm(self.points - eye.middle, axis=1) < eye.eyes.radius_dm * 1.14
            hole = np.minimum(cut, eye.opening(self.points) - 1.3)
            cut = np.where(near & self.is_skull, hole, cut)
        return Mesh(
            points=posed(self.points), faces=self.faces, material="skin", part=Part.SKIN,
            attributes={"rgb": self.skin, "cut": cut}, face_weight=self.is_face().astype(float),
        )  # fmt: skip

    def fur_surface(self) -> Points:
        """About where the fur ends, [n, 3]: the skin, raised by part of the hairs' lengths."""
        length = self.length_dm.copy()
        for name, share in mane.shares(self.spec.mane, self.spec.head, self.points).items():
            length = np.maximum(length, share * mane.length_dm(self.spec.mane, name))
        return np.asarray(self.points + self.normals * (length * STANDS)[:, None])

    def is_face(self) -> Array:
        """What is seen of the head from in front, without the ears: [n], True or False."""
        front = self.points[:, 2] > -0.15
        return np.asarray((self.is_head | self.is_lid) & front)
