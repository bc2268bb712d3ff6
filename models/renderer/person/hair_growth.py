"""Strands: a few hundred guides grow against gravity, scalp and shoulders; thousands of hairs
follow their neighbours.

Guides and interpolated hairs: Ward et al., "A survey on hair modeling", 2007, sections 2 and 3.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from models.renderer.mesh.geometry import Array, Faces, Points, at_roots, unit
from models.renderer.person.hair import Hair
from models.renderer.person.makehuman import base_mesh

Rng = np.random.Generator
Roots = tuple[Faces, Points]
SEGMENT_DM = 0.32
SHORT_DM = 1.5
NECK_DM, CLOTH_DM = 6.0, 0.16  # below this height hair lies on clothes of this thickness
FRINGE_DM, OPEN_FACE_DM = (
    0.30,
    0.80,
)  # how far above the eyes hair may hang with and without a fringe


class Scalp:
    """The posed skin as hair meets it: something to grow from and not to grow into."""

    def __init__(self, points: Points, normals: Points, axes: Array) -> None:
        base = base_mesh()
        self.points, self.normals, self.axes = points, normals, axes
        near = np.flatnonzero((base.points[:, 1] > 4.0) & base.is_body)
        self._normals = normals[near]
        self._surface = points[near] + self._normals * np.where(
            base.points[near, 1:2] < NECK_DM, CLOTH_DM, 0.0
        )
        self._tree = cKDTree(self._surface)
        self.joint = base.joint(points, "head")
        self.top = points[base.is_body][np.argmax((points[base.is_body]) @ axes[1])]
        self.eyes = (
            points[base.group("helper-l-eye")].mean(axis=0)
            + points[base.group("helper-r-eye")].mean(axis=0)
        ) / 2

    def pushed_out(self, places: Points, margin: Array) -> Points:
        """Points at least `margin` outside the skin, where they are near it."""
        _, nearest = self._tree.query(places)
        surface, normal = self._surface[nearest], self._normals[nearest]
        height = ((places - surface) * normal).sum(axis=1)
        near = np.linalg.norm(places - surface, axis=1) < 0.8
        return places + normal * np.where(near, np.maximum(margin - height, 0), 0)[:, None]

    def off_face(self, places: Points, fringe: bool) -> Points:
        """Points [..., 3] in front of the face moved aside, like curtains."""
        left, up, front = self.axes
        offset = places - self.eyes
        aside, height, ahead = offset @ left, offset @ up, offset @ front
        top = FRINGE_DM if fringe else OPEN_FACE_DM
        opening = (
            0.66
            * np.sqrt(np.clip((top - height) / 0.7, 0, 1))
            * np.clip((height + 1.9) / 0.5, 0, 1)
        )
        inside = (ahead > -0.1) & (np.abs(aside) < opening)
        push = np.where(
            inside,
            np.where(aside >= 0, 1, -1)
            * (opening - np.abs(aside))
            * np.clip(ahead * 3 + 0.3, 0, 1),
            0,
        )
        return places + push[..., None] * left


@dataclass(frozen=True, kw_only=True)
class Comb:
    """How guides leave the scalp: unit directions [n, 3], which side of the parting [n], and the
    knot they run to."""

    directions: Points
    side: Array
    tie: Array | None


def grow_guides(rng: Rng, hair: Hair, scalp: Scalp, roots: Roots, comb: Comb) -> Array:
    """Guides [n, k, 3] of equal steps."""
    root, normal = at_roots(scalp.points, roots), unit(at_roots(scalp.normals, roots))
    count, steps = len(root), int(np.clip(np.ceil(hair.length_dm / SEGMENT_DM) + 2, 4, 14))
    step = hair.length_dm * rng.uniform(0.9, 1.05, (count, 1)) / (steps - 1)
    heading = unit(
        normal * hair.lift + comb.directions * (1 - hair.lift) + rng.normal(0, 0.08, (count, 3))
    )
    margin = 0.015 + hair.volume_dm * rng.random(count) ** 1.5
    guides = np.empty((count, steps, 3))
    guides[:, 0] = place = root
    tied = np.zeros(count, bool)
    for k in range(1, steps):
        share = k / (steps - 1)
        if comb.tie is not None:
            way = comb.tie - place
            tied |= np.linalg.norm(way, axis=1) < 0.25
            wanted = np.where(
                tied[:, None], np.array([0, -1, -0.15]) + rng.normal(0, 0.12, (count, 3)), unit(way)
            )
            heading = unit(heading * 0.35 + wanted * 0.8)
        else:
            pull = np.array([0.0, -1.0, 0.0]) * hair.gravity * (0.6 + share)
            keep = heading * hair.stiffness + comb.directions * (1 - share) ** 3 * 0.25
            heading = unit(keep + pull + rng.normal(0, hair.frizz, (count, 3)))
        place = scalp.pushed_out(place + heading * step, margin * min(1, k / 2))
        heading = unit(place - guides[:, k - 1])
        place = scalp.pushed_out(guides[:, k - 1] + heading * step, margin * 0.5)
        place = (
            scalp.off_face(place, hair.fringe)
            if hair.style not in ("buzz", "crop", "afro")
            else place
        )
        guides[:, k] = place
    return guides


def interpolate(
    rng: Rng, hair: Hair, scalp: Scalp, guides: Array, guide_roots: Roots, roots: Roots
) -> Array:
    """Hairs [n, k, 3] between the guides around their roots: with locks, curls, uneven lengths and
    flyaways."""
    base = base_mesh()
    place, guide_place = at_roots(base.points, roots), at_roots(base.points, guide_roots)
    sides = [np.where(at[:, :1] > hair.parting_dm, 3.0, 0.0) for at in (place, guide_place)]
    distance, near = cKDTree(np.hstack([guide_place, sides[1]])).query(
        np.hstack([place, sides[0]]), k=3
    )
    weight = 1 / (distance + 0.02) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    path = np.einsum("ngkc,ng->nkc", guides[near], weight)
    root = at_roots(scalp.points, roots)
    t = np.linspace(0, 1, guides.shape[1])[None, :, None]
    hairs = path + (root - path[:, 0])[:, None] * (1 - 0.3 * t)
    lock_of = _locks(rng, place, max(12, hair.count // 45))
    pull = hair.clump * t**1.3
    hairs = hairs * (1 - pull) + (hairs[lock_of] + (root - root[lock_of])[:, None] * 0.35) * pull
    hairs = hairs + np.cumsum(rng.normal(0, 0.10 * hair.frizz, hairs.shape), axis=1) * t
    if hair.curl_dm > 0:
        hairs = hairs + _curls(rng, hair, hairs, lock_of)
    stray = rng.random(len(hairs)) < hair.flyaways
    hairs[stray] += np.cumsum(rng.normal(0, 0.03, (stray.sum(), *hairs.shape[1:])), axis=1) * t
    if hair.style not in ("buzz", "crop", "afro"):
        hairs = scalp.off_face(hairs, hair.fringe)
    return trimmed(hairs, _lengths(rng, hair, scalp, hairs))


def trimmed(hairs: Array, share: Array) -> Array:
    """Each hair's first part, of that share of its length, with as many points."""
    count, points = hairs.shape[:2]
    at = share[:, None] * np.arange(points)[None]
    first = np.minimum(at.astype(np.int64), points - 2)
    rest = (at - first)[..., None]
    rows = np.arange(count)[:, None]
    return np.asarray(hairs[rows, first] * (1 - rest) + hairs[rows, first + 1] * rest)


def _locks(rng: Rng, place: Points, count: int) -> Array:
    """For each hair the one that leads its lock."""
    leaders = rng.choice(len(place), min(count, len(place)), replace=False)
    return leaders[cKDTree(place[leaders]).query(place)[1]]


def _curls(rng: Rng, hair: Hair, hairs: Array, lock_of: Array) -> Array:
    """Helices around hairs, nearly in phase within a lock."""
    count, points = hairs.shape[:2]
    t = np.linspace(0, 1, points)
    phase = rng.uniform(0, 2 * np.pi, (count,))[lock_of] + rng.normal(0, 0.35, count)
    pitch = hair.curls_per_dm * rng.uniform(0.8, 1.2, (count,))[lock_of]
    angle = t[None] * (hair.length_dm * pitch)[:, None] * 2 * np.pi + phase[:, None]
    along = unit(np.gradient(hairs, axis=1))
    u = unit(np.cross(along, np.array([0.3, 0.2, 1.0])))
    growing = (hair.curl_dm * np.minimum(1, t * 3))[None, :, None]
    return np.asarray(
        growing * (u * np.cos(angle)[..., None] + np.cross(along, u) * np.sin(angle)[..., None])
    )


def _lengths(rng: Rng, hair: Hair, scalp: Scalp, hairs: Array) -> Array:
    """Share of each hair that is kept: uneven tips; a fringe ends above the eyes."""
    shortest = (
        0.55 if hair.length_dm < SHORT_DM else 0.82
    )  # what is cut short lies in steps, or it looks like a cap
    share = rng.uniform(shortest, 1.0, len(hairs)) ** (
        1.5 if hair.style in ("messy", "curls", "wavy") else 1.0
    )
    if not hair.fringe:
        return share
    left, up, front = scalp.axes
    offset = hairs - scalp.eyes
    over_eyes = (
        (offset @ front > 0.1) & (np.abs(offset @ left) < 0.62) & (offset @ up < FRINGE_DM + 0.04)
    )
    first = np.where(over_eyes.any(axis=1), over_eyes.argmax(axis=1), hairs.shape[1] - 1)
    cut = np.maximum(first - 1, 1) / (hairs.shape[1] - 1)
    return np.asarray(np.minimum(share, cut + rng.uniform(0, 0.02, len(hairs))))
