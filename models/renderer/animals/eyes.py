"""AnimalEyes: an iris around a round, a slit or a bar-like pupil, a wet cornea, lids."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.animals import kinds
from models.renderer.blender.nodes import Graph
from models.renderer.mesh.geometry import Array, Faces, Points, grid_faces, unit
from models.renderer.mesh.implicit import Shape

IRISES = {  # linear RGB
    "dark": (0.022, 0.011, 0.006), "brown": (0.13, 0.05, 0.018), "amber": (0.42, 0.20, 0.035),
    "yellow": (0.46, 0.32, 0.05), "green": (0.17, 0.19, 0.06), "blue": (0.18, 0.36, 0.55),
    "orange": (0.62, 0.20, 0.02),
}  # fmt: skip
PUPILS = {"round": (1.0, 1.0), "slit": (0.36, 1.5), "bar": (1.75, 0.5)}
"""Width and height of each shape, in radii of a round pupil."""
RINGS, SPOKES, LID_ROWS = 30, 40, 7
LID_ENDS = 1.9
CATCH_RAD = 0.11
"""Radius of the catch-light."""


@dataclass(frozen=True, kw_only=True)
class AnimalEyes:
    """Angles in radians."""

    iris: str
    iris_rgb: tuple[float, float, float]
    pupil: str
    radius_dm: float
    height_dm: float  # above the skull's middle
    azimuth_rad: float  # where it sits, from the front to the side
    outward_rad: float  # where it looks, from the front to the side
    sunk: float  # how deep its middle lies below the skin, in radii
    open_width_rad: float
    open_height_rad: float
    tilt_rad: float  # how far the outer corner is raised
    iris_rad: float
    pupil_rad: float
    rim: float  # how dark the lids' margin is, 0 to 1


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> AnimalEyes:
    """AnimalEyes of the kind in `labels`."""
    kind = labels["kind"]
    irises = kinds.words(kind, "eyes", "irises")
    iris = irises[int(rng.integers(len(irises)))]
    r, g, b = (np.array(IRISES[iris]) * rng.uniform(0.8, 1.2, 3)).round(5).tolist()
    return kinds.drawn(
        AnimalEyes, rng, kind, "eyes",
        iris=iris, iris_rgb=(r, g, b), pupil=kinds.words(kind, "eyes", "pupil")[0],
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Eye:
    """One resting eye: its middle, and rows: to its outer corner, up, out of the head."""

    middle: Points
    axes: Array
    eyes: AnimalEyes

    def seen_at(self, points: Points) -> Array:
        """Angles [n, 2] from where the eye looks, to the outer corner and up; behind it pi."""
        outer, up, front = (unit(points - self.middle) @ self.axes.T).T
        ahead = np.maximum(front, 1e-3)
        angles = np.stack([np.arctan2(outer, ahead), np.arctan2(up, ahead)], axis=1)
        return np.where(front[:, None] > 0.05, angles, np.pi)

    def opening(self, points: Points) -> Array:
        """1 on the lids' margin, less in the opening, more around it, [n]."""
        across, up = self.seen_at(points).T
        eyes = self.eyes
        return np.asarray(np.hypot(across / eyes.open_width_rad, up / eyes.open_height_rad))


def eye_pair(eyes: AnimalEyes, skull: Shape) -> tuple[Eye, Eye]:
    """The animal's left and right eye, where the skull's surface is."""
    ray = np.array([np.sin(eyes.azimuth_rad), 0.0, np.cos(eyes.azimuth_rad)])
    far = np.linspace(2.5, 0.1, 400)
    inside = skull(np.array([0.0, eyes.height_dm, 0.0]) + far[:, None] * ray) < 0
    skin = np.array([0.0, eyes.height_dm, 0.0]) + far[np.argmax(inside)] * ray
    front = unit(np.array([np.sin(eyes.outward_rad), 0.06, np.cos(eyes.outward_rad)]))
    middle = skin - front * eyes.sunk * eyes.radius_dm
    made = []
    for sign in (1.0, -1.0):
        mirror = np.array([sign, 1.0, 1.0])
        out = front * mirror
        outer = unit(np.cross([0.0, 1.0, 0.0], out)) * sign
        up = np.cross(out, outer) * sign
        cos, sin = np.cos(eyes.tilt_rad), np.sin(eyes.tilt_rad)
        axes = np.stack([cos * outer + sin * up, cos * up - sin * outer, out])
        made.append(Eye(middle=middle * mirror, axes=axes, eyes=eyes))
    return made[0], made[1]


def ball(eye: Eye, gaze: Array, shine: Array) -> tuple[Points, Faces, dict[str, Array]]:
    """The eyeball, turned to `gaze`, a unit vector: points, quads, the angles `across` and `up`
    from its pupil, and `shine`, the angle from where it mirrors the key light: the unit vector
    `shine`, between the light and the camera."""
    angle, around = (
        grid.ravel()
        for grid in np.meshgrid(
            np.linspace(0, 1, RINGS) ** 1.4 * np.pi,
            np.linspace(0, 2 * np.pi, SPOKES, endpoint=False),
            indexing="ij",
        )
    )
    side = unit(eye.axes[0] - (eye.axes[0] @ gaze) * gaze)
    up = np.cross(gaze, side)
    up = up * np.sign(up @ eye.axes[1])
    cornea = 1 + 0.05 * np.clip(1 - angle / 0.7, 0, 1)
    local = np.stack(
        [np.sin(angle) * np.cos(around), np.sin(angle) * np.sin(around), np.cos(angle)], axis=1
    )
    points = eye.middle + local * (cornea * eye.eyes.radius_dm)[:, None] @ np.stack(
        [side, up, gaze]
    )
    off = np.arccos(np.clip(unit(points - eye.middle) @ shine, -1, 1))
    return points, grid_faces(RINGS, SPOKES), {
        "across": angle * np.cos(around), "up": angle * np.sin(around), "shine": off
    }  # fmt: skip


def lids(eye: Eye) -> tuple[Points, Faces, Array]:
    """A shell around the opening: points, quads, and how far each is from the margin (1 on it)."""
    eyes = eye.eyes
    share = np.array([1.0, 1.0, 1.06, 1.15, 1.3, 1.55, LID_ENDS])
    radius = eyes.radius_dm * np.array([0.96, 1.05, 1.075, 1.08, 1.075, 1.05, 1.0])
    around = np.linspace(0, 2 * np.pi, SPOKES, endpoint=False)
    corner = 1 + 0.12 * np.cos(2 * around)  # pointed corners: an almond
    across = share[:, None] * eyes.open_width_rad * np.cos(around) * corner
    up = share[:, None] * eyes.open_height_rad * np.sin(around)
    across, up = np.clip(across, -1.35, 1.35), np.clip(up, -1.35, 1.35)
    way = unit(np.stack([np.tan(across), np.tan(up), np.ones_like(up)], axis=-1))
    points = eye.middle + (way * radius[:, None, None]) @ eye.axes
    distance = np.broadcast_to(share[:, None], up.shape).ravel()
    return points.reshape(-1, 3), grid_faces(LID_ROWS, SPOKES), distance


def gaze(eye: Eye, target: Points, pose_rad: tuple[float, float]) -> Array:
    """Where the resting eye looks, a unit vector: at `target` as far as eyes turn, and `pose_rad`
    (across, up) beside it."""
    outer, up, front = eye.axes @ unit(target - eye.middle)
    limit = 0.3 if eye.eyes.outward_rad < 0.6 else 0.12
    across = np.clip(np.arctan2(outer, front) + pose_rad[0], -limit, limit)
    rise = np.clip(np.arcsin(np.clip(up, -1, 1)) + pose_rad[1], -limit * 0.7, limit * 0.7)
    return np.array(unit(np.array([np.tan(across), np.tan(rise), 1.0]) @ eye.axes))


def material(eyes: AnimalEyes) -> Graph:
    """Reads `across` and `up`, angles in radians from the middle of the pupil, and `shine`, that
    from the catch-light, which is painted on: lamps are hidden from mirrors."""
    g, iris = Graph(), np.array(eyes.iris_rgb)
    across, up = g.attribute("across"), g.attribute("up")
    angle = _length(g, across, up, (1.0, 1.0))
    width, height = (eyes.pupil_rad * share for share in PUPILS[eyes.pupil])
    pupil = _length(g, across, up, (1 / width, 1 / height))
    around = g.maths("ARCTAN2", across, up)
    fibre_at = g.node(
        "ShaderNodeCombineXYZ", {0: g.times(around, 7.0), 1: g.times(angle, 3.0), 2: 0.0}
    )
    fibres = g.node("ShaderNodeTexNoise", {"Vector": fibre_at, "Scale": 1.0, "Detail": 3.0})
    colour = g.mix(g.ramp(fibres, 0.3, 0.7), iris * 0.6, np.minimum(iris * 1.4, 0.9))
    colour = g.mix(g.times(g.ramp(pupil, 2.2, 1.0), 0.4), colour, iris * [1.2, 1.1, 0.7])
    edge = g.ramp(angle, eyes.iris_rad - 0.16, eyes.iris_rad)
    colour = g.mix(g.times(edge, 0.85), colour, iris * 0.12)
    white = g.mix(0.5, iris * 0.1, (0.12, 0.08, 0.06))
    outside = g.ramp(angle, eyes.iris_rad, eyes.iris_rad + 0.06)
    colour = g.mix(outside, colour, white)
    colour = g.mix(g.ramp(pupil, 1.06, 0.94), colour, (0.0015, 0.0015, 0.0015))
    ball = g.principled(
        colour, Roughness=0.3, Specular_IOR_Level=0.15, Coat_Weight=0.4, Coat_Roughness=0.03
    )
    light = g.node("ShaderNodeEmission", {"Color": (1.0, 1.0, 1.0, 1.0), "Strength": 2.5})
    catch = g.ramp(g.attribute("shine"), CATCH_RAD + 0.03, CATCH_RAD - 0.02)
    return g.surface(g.node("ShaderNodeMixShader", {0: catch, 1: ball, 2: light}))


def _length(g: Graph, across, up, scale: tuple[float, float]):  # type: ignore[no-untyped-def]
    squares = [
        g.maths("POWER", g.maths("ABSOLUTE", g.times(value, factor)), 2.0)
        for value, factor in zip((across, up), scale, strict=True)
    ]
    return g.maths("SQRT", g.maths("ADD", *squares))
