"""The nose pad with its nostrils, or a beak; the line of the mouth."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from models.renderer.animals import kinds
from models.renderer.animals.head import Head
from models.renderer.blender.nodes import Graph
from models.renderer.mesh.geometry import Array, Faces, Points, tube
from models.renderer.mesh.implicit import Shape, ellipsoid, isosurface, limb, united, without

COLOURS = {  # linear RGB
    "black": (0.012, 0.011, 0.012), "brown": (0.045, 0.021, 0.014), "pink": (0.52, 0.22, 0.19),
    "grey": (0.10, 0.09, 0.09), "horn": (0.16, 0.12, 0.07), "yellow": (0.55, 0.33, 0.05),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NoseMouth:
    """Lengths in decimetres; 0 wide: no pad, only nostrils in the skin."""

    colour: str
    rgb: tuple[float, float, float]
    width_dm: float
    height_dm: float
    depth_dm: float
    pointed: float  # how much narrower the pad is below than above, 0 to 1
    rise_dm: float  # its middle above the end of the muzzle
    ahead_dm: float  # how far it stands out
    beak_dm: float  # length of a beak, which hooks downwards; 0: a nose
    nostril_dm: float
    nostril_spread_dm: float
    split_dm: float  # length of the line from the nose to the mouth
    mouth_width_dm: float
    smile: float  # how far the corners are raised, a share of the width


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> NoseMouth:
    """A nose of the kind in `labels`."""
    colours = kinds.words(labels["kind"], "nose_mouth", "colours")
    colour = colours[int(rng.integers(len(colours)))]
    r, g, b = (np.array(COLOURS[colour]) * rng.uniform(0.85, 1.2)).round(5).tolist()
    return kinds.drawn(NoseMouth, rng, labels["kind"], "nose_mouth", colour=colour, rgb=(r, g, b))


def tip(nose: NoseMouth, head: Head, skull: Shape) -> Points:
    """Where the middle of the nose lies on the resting muzzle, [3]."""
    y = head.muzzle_y + nose.rise_dm
    return front(skull, np.array([0.0]), np.array([y]))[0]


def front(skull: Shape, x: Array, y: Array) -> Points:
    """The foremost points of the skin at x and y, [n, 3]."""
    depth = np.linspace(2.6, -0.5, 500)
    grid = np.stack([np.repeat(x, 500), np.repeat(y, 500), np.tile(depth, len(x))], axis=1)
    inside = (skull(grid) < 0).reshape(len(x), 500)
    first = np.argmax(inside, axis=1)
    return np.stack([x, y, depth[np.where(inside.any(axis=1), first, 350)]], axis=1)


def pad(nose: NoseMouth, middle: Points) -> tuple[Points, Faces] | None:
    """The nose pad as a surface of its own, finer than the head's."""
    if nose.width_dm < 0.02:
        return None
    size = np.array([nose.width_dm, nose.height_dm, nose.depth_dm])
    centre = middle + np.array([0.0, 0.0, nose.ahead_dm - nose.depth_dm * 0.6])

    if nose.beak_dm > 0.02:
        return _beak(nose, middle)

    def shape(points: Points) -> Array:
        p = points - centre
        p = np.concatenate([np.abs(p[:, :1]), p[:, 1:]], axis=1)
        narrow = 1 - nose.pointed * np.clip(0.5 - p[:, 1] / (2 * size[1]), 0, 1)
        p[:, 0] /= narrow
        found = ellipsoid(p, np.zeros(3), size)
        wing = ellipsoid(p, size * [0.62, -0.12, 0.25], size * np.array([0.42, 0.5, 0.6]))
        found = united(found, wing, 0.06)
        hole = ellipsoid(
            p,
            np.array([nose.nostril_spread_dm, -0.25 * size[1], size[2] * 0.8]),
            nose.nostril_dm * np.array([1.0, 0.75, 1.6]),
        )
        groove = np.hypot(p[:, 0], p[:, 2] - size[2] * 1.02) - 0.022
        return without(without(found, hole, 0.03), groove, 0.03)

    reach = size * 1.35
    cell = float(max(size.max() / 14, 0.012))
    return isosurface(shape, centre - reach, centre + reach, cell)


def _beak(nose: NoseMouth, middle: Points) -> tuple[Points, Faces]:
    root, tip = (0.1, 0.0), (-nose.beak_dm, 0.06)
    bend = (-0.35 * nose.beak_dm, nose.depth_dm * 0.8)
    size = (nose.width_dm, nose.height_dm)

    def shape(points: Points) -> Array:
        p = points - middle
        upper = limb(p, root, bend, size, (size[0] * 0.75, size[1] * 0.6))
        return united(upper, limb(p, bend, tip, (size[0] * 0.7, size[1] * 0.5), (0.02, 0.02)), 0.08)

    reach = np.array([nose.width_dm + 0.1, nose.beak_dm + 0.3, nose.depth_dm + 0.3])
    return isosurface(shape, middle - reach, middle + reach, 0.022)


def nostrils(nose: NoseMouth, middle: Points, skull: Shape) -> list[tuple[Points, Faces]]:
    """Dark hollows in a muzzle that has no pad."""
    if nose.width_dm >= 0.02 or nose.nostril_dm <= 0:
        return []
    reach = 1.6 * nose.nostril_dm
    made = []
    for sign in (1.0, -1.0):
        at = front(skull, np.array([sign * nose.nostril_spread_dm]), middle[1:2])[0]
        centre = at - np.array([0.0, 0.0, 0.012])
        shape = partial(_nostril, nose.nostril_dm, sign, centre)
        made.append(isosurface(shape, centre - reach, centre + reach, nose.nostril_dm / 6))
    return made


def _nostril(radius_dm: float, sign: float, centre: Points, points: Points) -> Array:
    x, y, z = (points - centre).T
    slanted = np.stack([x + sign * 0.5 * y, y, z], axis=1)
    return ellipsoid(slanted, np.zeros(3), radius_dm * np.array([0.55, 1.0, 0.5]))


def mouth_line(nose: NoseMouth, middle: Points, skull: Shape) -> list[Points]:
    """Paths [n, 3] on the skin: from the nose down, and from there to both corners."""
    if nose.mouth_width_dm < 0.02:
        return []
    low = middle[1] - nose.height_dm - nose.split_dm
    across = np.linspace(-1, 1, 33)
    dip = -0.16 * np.sin(np.abs(across) * np.pi) + nose.smile * across**2
    paths = [front(skull, across * nose.mouth_width_dm, low + dip * nose.mouth_width_dm)]
    if nose.split_dm > 0.03:
        y = np.linspace(middle[1] - 0.4 * nose.height_dm, low, 9)
        paths.append(front(skull, np.zeros(9), y))
    return paths


def mouth(paths: list[Points]) -> list[tuple[Points, Faces]]:
    """Dark lips along the paths."""
    return [tube(path, 0.022, 6) for path in paths]


def material(nose: NoseMouth) -> Graph:
    """Wet, finely grained skin."""
    g, rgb = Graph(), np.array(nose.rgb)
    grain = g.cells(420)
    colour = g.mix(g.ramp(grain, 0.1, 0.6), rgb * 0.7, np.minimum(rgb * 1.4, 1))
    return g.surface(
        g.principled(
            colour, Roughness=0.38, Specular_IOR_Level=0.45, Normal=g.bump(grain, 0.35, 0.0006)
        )
    )
