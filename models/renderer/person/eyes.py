"""Eyes: a white with veins, an iris of fibres, a wet cornea; lashes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.blender.nodes import Graph
from models.renderer.mesh.geometry import Array, Points, grid_faces, unit
from models.renderer.person.makehuman import base_mesh
from models.renderer.person.pose import Posed
from models.renderer.scene.scene import Mesh, Part

IRISES = {  # linear RGB
    "dark": (0.03, 0.016, 0.01), "brown": (0.10, 0.045, 0.02), "amber": (0.17, 0.085, 0.035),
    "green": (0.15, 0.19, 0.10), "blue": (0.12, 0.20, 0.30), "grey": (0.20, 0.23, 0.25),
}  # fmt: skip
SHARES = {
    True: (0.12, 0.28, 0.2, 0.12, 0.2, 0.08),
    False: (0.5, 0.42, 0.08, 0, 0, 0),
}  # fair skin or not
RINGS, SPOKES = 26, 36


@dataclass(frozen=True, kw_only=True)
class Eyes:
    """Angles in radians, seen from the middle of the eyeball."""

    iris: str
    iris_rgb: tuple[float, float, float]
    iris_rad: float
    pupil_rad: float
    redness: float
    lashes: float  # how much light the lashes hide, 0 to 1


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Eyes:
    """Eyes whose colour suits the skin tone in `labels`."""
    name = str(rng.choice(list(IRISES), p=SHARES[labels["skin"] in ("tone1", "tone2")]))
    r, g, b = (np.array(IRISES[name]) * rng.uniform(0.75, 1.25, 3)).round(5).tolist()
    iris = rng.uniform(0.47, 0.53)
    lashes = rng.uniform(0.55, 0.9) if labels["sex"] == "female" else rng.uniform(0.35, 0.6)
    return Eyes(
        iris=name,
        iris_rgb=(r, g, b),
        iris_rad=float(iris),
        pupil_rad=float(iris * rng.uniform(0.3, 0.48)),
        redness=float(rng.uniform(0.1, 0.5)),
        lashes=float(lashes),
    )


def material(eyes: Eyes) -> Graph:
    """Reads `angle` (from the middle of the pupil, radians) and `around` (radians)."""
    g, iris = Graph(), np.array(eyes.iris_rgb)
    angle, around = g.attribute("angle"), g.attribute("around")
    fibre_at = g.node(
        "ShaderNodeCombineXYZ", {0: g.times(around, 9.0), 1: g.times(angle, 4.0), 2: 0.0}
    )
    fibres = g.node("ShaderNodeTexNoise", {"Vector": fibre_at, "Scale": 1.0, "Detail": 3.0})
    colour = g.mix(g.ramp(fibres, 0.3, 0.7), iris * 0.55, np.minimum(iris * 1.7, 0.9))
    inner = g.ramp(angle, eyes.pupil_rad * 1.9, eyes.pupil_rad)
    colour = g.mix(g.times(inner, 0.5), colour, iris * [1.2, 0.8, 0.5])
    colour = g.mix(
        g.times(g.ramp(angle, eyes.iris_rad - 0.11, eyes.iris_rad), 0.75), colour, iris * 0.2
    )
    white = g.mix(
        g.times(g.ramp(g.noise(700, 3), 0.5, 0.68), eyes.redness),
        (0.54, 0.50, 0.47),
        (0.48, 0.26, 0.22),
    )
    white = g.mix(g.times(g.ramp(angle, 0.7, 1.4), 0.5), white, (0.50, 0.33, 0.29))
    colour = g.mix(g.ramp(angle, eyes.iris_rad - 0.02, eyes.iris_rad + 0.05), colour, white)
    colour = g.mix(
        g.ramp(angle, eyes.pupil_rad + 0.02, eyes.pupil_rad - 0.02), colour, (0.002, 0.002, 0.002)
    )
    return g.surface(
        g.principled(
            colour, Roughness=0.35, Specular_IOR_Level=0.3, Coat_Weight=1.0, Coat_Roughness=0.03
        )
    )


def lash_material(eyes: Eyes) -> Graph:
    """Dark, and thin: light passes between lashes."""
    g = Graph()
    return g.surface(
        g.principled(
            (0.006, 0.005, 0.004), Roughness=0.6, Specular_IOR_Level=0.2, Alpha=eyes.lashes
        )
    )


def meshes(posed: Posed, camera: Array) -> list[Mesh]:
    """Both eyeballs, looking where the pose says, the lashes, teeth and tongue."""
    base = base_mesh()
    made = [_ball(posed, base.group(f"helper-{side}-eye"), camera) for side in "lr"]
    lashes = base.faces(*(f"helper-{side}-eyelashes-{row}" for side in "lr" for row in (1, 2)))
    made.append(
        Mesh(
            points=posed.points,
            faces=lashes,
            material="lashes",
            part=Part.FACE,
            opaque=False,
            shadow=False,
        )
    )
    return made


def _ball(posed: Posed, group: Array, camera: Array) -> Mesh:
    points = posed.points[group]
    middle = points.mean(axis=0)
    radius = np.median(np.linalg.norm(points - middle, axis=1)) * 0.99
    angle, around = (
        grid.ravel()
        for grid in np.meshgrid(
            np.linspace(0, 1, RINGS) ** 1.5 * np.pi,
            np.linspace(0, 2 * np.pi, SPOKES, endpoint=False),
            indexing="ij",
        )
    )
    cornea = 1 + 0.06 * np.clip(1 - angle / 0.5, 0, 1)
    ball = np.stack(
        [np.sin(angle) * np.cos(around), np.sin(angle) * np.sin(around), np.cos(angle)], axis=1
    )
    front = posed.gaze(middle, camera)
    side = unit(np.cross([0.0, 1.0, 0.0], front))
    turned: Points = middle + (ball * cornea[:, None] * radius) @ np.stack(
        [side, np.cross(front, side), front]
    )
    return Mesh(
        points=turned, faces=grid_faces(RINGS, SPOKES), material="eyes", part=Part.FACE,
        attributes={"angle": angle, "around": around},
    )  # fmt: skip
