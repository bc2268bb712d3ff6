"""All hairs of an animal but its whiskers: the fur of its skin, and its mane."""

import numpy as np

from models.renderer.animals import coat, fur, growing, mane
from models.renderer.animals.growing import Roots
from models.renderer.animals.hide import Hide
from models.renderer.animals.pose import PosedAnimal
from models.renderer.animals.spec import AnimalSpec
from models.renderer.mesh.geometry import Array, Points, at_roots, random_roots, unit
from models.renderer.scene.scene import Camera, Part, Strands

HAIRS = 60_000
"""Over the whole skin, most of which no camera sees."""
MANE_HAIRS = {"ruff": 16000, "crest": 3000, "forelock": 900, "beard": 700}
FACE_HAIR_DM = 0.45
"""Longer hairs on the face count as hair, not as face."""
BEHIND = -0.3
"""Skin whose normal points further away from the camera than this shows no hair."""
ASIDE = 0.12
"""How far out of the picture, in its sides, a hair may begin."""


def pelt(spec: AnimalSpec, hide: Hide, posed: PosedAnimal, camera: Camera) -> list[Strands]:
    """Hairs that a camera may see."""
    rng = np.random.default_rng(spec.fur.seed)
    down = posed.resting(np.array([0.0, -1.0, 0.0]))
    roots, triangles = _fur_roots(rng, spec, hide)
    seen = _seen(roots, posed, camera)
    roots, triangles = roots.chosen(seen), triangles[seen]
    face = np.all(hide.is_face()[triangles], axis=1) & np.asarray(roots.lengths_dm < FACE_HAIR_DM)
    made = []
    for which, points, part in ((face, 3, Part.FACE), (~face, 5, Part.HAIR)):
        if which.any():
            hairs = growing.grown(rng, spec.fur, roots.chosen(which), points, down)
            made.append(
                _strands(posed(hairs), spec.fur.radius_dm, roots.rgb[which], part, spec.fur.blade)
            )
    return made + _mane(spec, hide, posed, camera, down)


def _fur_roots(rng: np.random.Generator, spec: AnimalSpec, hide: Hide) -> tuple[Roots, Array]:
    """Roots all over the skin, and the triangles that they grow on."""
    long = np.clip(hide.length_dm / 0.16, 0.5, 2.0)  # long hair covers more skin than short
    found = random_roots(
        rng, hide.points, hide.faces, hide.density / long**0.6,
        int(HAIRS * spec.fur.density),
    )  # fmt: skip
    places = at_roots(hide.points, found)
    rgb = coat.coat_rgb(spec.coat, spec.head, places)
    on_ear = np.asarray(hide.is_ear[found[0]].all(axis=1))[:, None]
    rgb = np.where(on_ear, at_roots(hide.rgb, found), rgb)
    roots = Roots(
        places=places, normals=unit(at_roots(hide.normals, found)),
        directions=at_roots(hide.direction, found), lengths_dm=at_roots(hide.length_dm, found),
        rgb=rgb,
    )  # fmt: skip
    return roots, found[0]


def _seen(roots: Roots, posed: PosedAnimal, camera: Camera) -> Array:
    """Whether a root lies on the camera's side and in or near the picture, [n]."""
    places = posed(roots.places)
    outwards = unit(posed(roots.places + roots.normals * 0.01) - places)
    x, y, _ = camera.project(places, 1).T
    inside = np.maximum(np.abs(x - 0.5), np.abs(y - 0.5)) < 0.5 + ASIDE
    towards = unit(np.array(camera.position) - places)
    return np.asarray(inside & ((outwards * towards).sum(axis=1) > BEHIND))


def _strands(
    hairs: Points, radius_dm: float, rgb: Array, part: Part, blade: float = 0.0
) -> Strands:
    radius = np.broadcast_to(radius_dm * fur.trail(hairs.shape[1], blade), hairs.shape[:2])
    return Strands(points=hairs, radius=radius, material="fur", part=part, rgb=rgb, broad=blade > 0)


def _mane(
    spec: AnimalSpec, hide: Hide, posed: PosedAnimal, camera: Camera, down: Points
) -> list[Strands]:
    own = spec.mane
    made = []
    for name, share in mane.shares(own, spec.head, hide.points).items():
        rng = np.random.default_rng((own.seed, MANE_HAIRS[name]))
        share = share * hide.is_skull
        found = random_roots(rng, hide.points, hide.faces, share, MANE_HAIRS[name])
        if not len(found[0]):
            continue
        places, normals = at_roots(hide.points, found), unit(at_roots(hide.normals, found))
        rgb = mane.mane_rgb(own, spec.coat, places)
        roots = Roots(
            places=places, normals=normals, directions=mane.mane_lies(own, name, places),
            lengths_dm=mane.length_dm(own, name) * at_roots(share, found) ** 0.5, rgb=rgb,
        )  # fmt: skip
        if name == "ruff":
            roots = roots.chosen(_seen(roots, posed, camera))
        hairs = growing.grown(rng, mane.style(own, name, spec.fur), roots, 8, down)
        hairs = growing.pushed_out(hide.shape, hairs, roots.normals, 0.05)
        made.append(_strands(posed(hairs), own.radius_dm, roots.rgb, Part.HAIR))
    return made
