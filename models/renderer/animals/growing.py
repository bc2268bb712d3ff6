"""Strands: hairs that leave the resting skin, bend, clump, curl, and are posed with it."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from models.renderer.animals.fur import Fur
from models.renderer.mesh.geometry import Array, Points, tangent, unit
from models.renderer.mesh.implicit import Shape

HAIRS_PER_CLUMP = 24


@dataclass(frozen=True, kw_only=True)
class Roots:
    """Where hairs grow: places and unit normals [n, 3] on the resting skin, directions [n, 3],
    lengths in dm and linear RGB."""

    places: Points
    normals: Points
    directions: Points
    lengths_dm: Array
    rgb: Array

    def chosen(self, which: Array) -> "Roots":
        """Those where `which`, a mask or numbers, says so."""
        return Roots(
            places=self.places[which], normals=self.normals[which],
            directions=self.directions[which], lengths_dm=self.lengths_dm[which],
            rgb=self.rgb[which],
        )  # fmt: skip


def grown(rng: np.random.Generator, fur: Fur, roots: Roots, points: int, down: Points) -> Points:
    """Hairs [n, points, 3] around the resting head; `down`: where gravity pulls there, a unit
    vector [3]."""
    count = len(roots.places)
    along = tangent(roots.directions, roots.normals)
    along = unit(along + rng.normal(0, 0.12 + fur.frizz, (count, 3)))
    length = roots.lengths_dm[:, None, None] * rng.uniform(0.6, 1.1, (count, 1, 1))
    t: Array = np.linspace(0, 1, points)[None, :, None]
    lift = np.clip(fur.lift + rng.normal(0, 0.06, (count, 1, 1)), 0.05, 1)
    rise = roots.normals[:, None] * lift * np.asarray(t - 0.3 * t**2)
    lie = along[:, None] * (1 - lift * 0.7) * (t * 0.75 + 0.25 * t**2)
    pull = (down * fur.gravity + np.array(fur.wind)) * t**2
    hairs = roots.places[:, None] + (rise + lie + pull) * length
    leader = clumps(rng, roots.places)
    share = fur.clump * t**1.5 * rng.uniform(0.5, 1.0, (count, 1, 1))
    apart = (roots.places - roots.places[leader])[:, None]
    hairs = hairs * (1 - share) + (hairs[leader] + apart * 0.3) * share
    hairs = hairs + np.cumsum(rng.normal(0, fur.frizz * 0.12, hairs.shape), axis=1) * t * length
    if fur.curl_dm > 0.004:
        hairs = hairs + _curls(rng, fur, hairs, roots.lengths_dm, leader)
    return hairs


def clumps(rng: np.random.Generator, places: Points) -> Array:
    """For each hair the one that its clump follows."""
    leaders = rng.choice(len(places), max(len(places) // HAIRS_PER_CLUMP, 1), replace=False)
    return np.asarray(leaders[cKDTree(places[leaders]).query(places)[1]])


def _curls(
    rng: np.random.Generator, fur: Fur, hairs: Points, lengths_dm: Array, leader: Array
) -> Array:
    """Helices around hairs, in phase within a clump."""
    count, points = hairs.shape[:2]
    t: Array = np.linspace(0, 1, points)
    of_clump = rng.uniform(0, 2 * np.pi, (count,))
    phase = of_clump[leader] + rng.normal(0, 0.3, count)
    turns = np.asarray(lengths_dm * fur.curls_per_dm)[:, None]
    angle = t[None] * turns * 2 * np.pi + phase[:, None]
    along = unit(np.gradient(hairs, axis=1))
    u = unit(np.cross(along, np.array([0.3, 0.2, 1.0])))
    size = np.asarray(fur.curl_dm * np.minimum(1, t * 2.5))[None, :, None]
    turned = u * np.cos(angle)[..., None] + np.cross(along, u) * np.sin(angle)[..., None]
    return np.asarray(size * turned)


def pushed_out(shape: Shape, hairs: Points, normals: Points, margin_dm: float) -> Points:
    """Hairs [n, k, 3], those within `margin_dm` of the skin moved along their roots' normals; roots
    stay."""
    count, points = hairs.shape[:2]
    depth = shape(hairs.reshape(-1, 3)).reshape(count, points)
    push = np.maximum(margin_dm - depth, 0)
    push[:, 0] = 0
    return np.asarray(hairs + push[..., None] * normals[:, None])
