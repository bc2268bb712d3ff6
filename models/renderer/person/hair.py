"""Hair: style, colour, where it grows and what it is made of; models.renderer.person.combing grows
its strands."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from models.renderer.blender.nodes import Graph
from models.renderer.mesh.geometry import Array, Weights, bump, smoothstep
from models.renderer.person.hair_styles import figures
from models.renderer.person.makehuman import base_mesh

COLOURS = {  # linear RGB
    "black": (0.010, 0.008, 0.007),
    "dark brown": (0.026, 0.015, 0.009),
    "brown": (0.065, 0.033, 0.017),
    "light brown": (0.13, 0.07, 0.035),
    "dark blond": (0.24, 0.145, 0.07),
    "blond": (0.44, 0.30, 0.155),
    "red": (0.20, 0.06, 0.02),
    "auburn": (0.10, 0.032, 0.016),
}
COLOUR_SHARES = {
    "fair": (0.08, 0.16, 0.22, 0.2, 0.14, 0.1, 0.05, 0.05),
    "middle": (0.42, 0.34, 0.14, 0.05, 0.02, 0.01, 0.0, 0.02),
    "dark": (0.7, 0.24, 0.05, 0, 0, 0, 0, 0.01),
}
GREY = np.array([0.50, 0.49, 0.47])
STYLES: dict[str, dict[str, float]] = {  # style -> share for (women, men)
    "bald": {"bald": 1},
    "short": {"buzz": 0.15, "crop": 0.3, "side parting": 0.25, "slick": 0.12, "messy": 0.18},
    "medium": {"bob": 0.4, "fringe": 0.25, "wavy bob": 0.35},
    "long": {"straight": 0.5, "wavy": 0.5},
    "curly": {"curls": 0.6, "afro": 0.4},
    "tied": {"ponytail": 0.5, "bun": 0.5},
}


@dataclass(frozen=True, kw_only=True)
class Hair:
    """Lengths in decimetres; shares from 0 to 1."""

    style: str
    colour: str
    rgb: tuple[float, float, float]
    grey: float  # share of white strands
    tips: float  # how much lighter the tips are
    gloss: float
    seed: int  # draws the places and wobbles of single strands
    count: int
    radius_dm: float
    length_dm: float
    lift: float  # 0: combed flat, 1: straight out
    gravity: float
    stiffness: float
    frizz: float
    curl_dm: float
    curls_per_dm: float
    volume_dm: float
    clump: float
    flyaways: float
    parting_dm: float  # where the parting is, to the person's left
    fringe: bool
    hairline_dm: float  # how much higher than usual
    recession: float
    nape_dm: float
    tie_dm: tuple[float, float]  # height above the head's joint and depth of a knot


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Hair:
    """Hair of the length in `labels`, in colours that suit skin tone and age."""
    styles = STYLES[labels["hair"]]
    style = str(rng.choice(list(styles), p=np.array(list(styles.values())) / sum(styles.values())))
    colour, rgb = _colour(rng, labels["skin"])
    age, male = labels["age"], labels["sex"] == "male"
    grey = {
        "old": rng.uniform(0.55, 1.0),
        "middle": rng.uniform(0, 0.45) if rng.random() < 0.6 else 0.0,
    }.get(age, 0.0)
    recession = abs(rng.normal(0, 0.45)) if male and age in ("middle", "old") else 0.0
    common = Hair(
        style=style,
        colour=colour,
        rgb=rgb,
        grey=float(grey),
        seed=int(rng.integers(2**31)),
        tips=float(rng.uniform(0, 0.6) if rng.random() < 0.5 else 0.1),
        gloss=float(rng.uniform(0.12, 0.3)),
        count=13000,
        radius_dm=float(rng.uniform(0.0027, 0.0036)),
        length_dm=1.0,
        lift=0.3,
        gravity=0.3,
        stiffness=0.85,
        frizz=0.05,
        curl_dm=0.0,
        curls_per_dm=0.5,
        volume_dm=0.12,
        clump=0.4,
        flyaways=float(rng.uniform(0.01, 0.05)),
        parting_dm=float(rng.uniform(-0.4, 0.4) if rng.random() < 0.7 else 0.0),
        fringe=False,
        hairline_dm=float(rng.normal(0.0, 0.05)),
        recession=float(recession),
        nape_dm=float(rng.uniform(6.5, 6.8)),
        tie_dm=(float(rng.uniform(0.2, 1.3)), float(rng.uniform(-0.25, -0.05))),
    )
    return replace(common, **figures(style, lambda low, high: float(rng.uniform(low, high))))  # type: ignore[arg-type]


def _colour(rng: np.random.Generator, skin: str) -> tuple[str, tuple[float, float, float]]:
    """A colour that suits the skin tone, by name and in linear RGB."""
    people = {"tone1": "fair", "tone2": "fair", "tone5": "dark", "tone6": "dark"}.get(
        skin, "middle"
    )
    name = str(rng.choice(list(COLOURS), p=COLOUR_SHARES[people]))
    tinted = np.array(COLOURS[name]) * rng.uniform(0.8, 1.25) * rng.uniform(0.93, 1.07, 3)
    r, g, b = tinted.round(5).tolist()
    return name, (r, g, b)


def density(hair: Hair) -> Weights:
    """Where hair grows on the base mesh, 0 to 1."""
    mesh = base_mesh()
    if not hair.count:
        return np.zeros(len(mesh.points))
    above = mesh.points[:, 1] - _hairline(hair)
    grows = (
        smoothstep(-0.06, 0.12, above)
        * (mesh.ears < 0.2)
        * (mesh.points[:, 1] > 6.3)
        * mesh.is_body
    )
    if hair.recession > 0.6:
        crown = np.linalg.norm(mesh.points - np.array([0, 8.45, -0.05]), axis=1)
        grows = grows * smoothstep(0.25, 0.7, crown)
    return grows


def _hairline(hair: Hair) -> Array:
    """Height of the hairline around the head at each vertex's azimuth."""
    x, _, z = base_mesh().points.T
    azimuth = np.degrees(np.arctan2(np.abs(x), z - 0.35))
    shift, recede = hair.hairline_dm, hair.recession
    heights = [
        8.10 + shift + recede * 0.3,
        8.11 + shift + recede * 0.4,
        8.03 + shift * 0.7 + recede * 0.35,
        7.72 + recede * 0.1,
        7.25,
        7.2,
        7.3,
        6.85,
        hair.nape_dm,
    ]
    ragged = 0.05 * np.sin(9 * x + 5 * z) + 0.03 * np.sin(23 * x)
    return np.interp(azimuth, [0, 20, 40, 58, 72, 86, 100, 130, 180], heights) + ragged * bump(
        azimuth, 20, 40
    )


def material(hair: Hair, darker: float = 1.0, grey: float = 1.0) -> Graph:
    """Strands that vary in tone; `darker` and `grey` scale colour and white share, for brows and
    beards."""
    g, share = Graph(), hair.grey * grey
    rgb = np.array(hair.rgb) * darker
    rgb = rgb + (GREY * 0.6 - rgb) * 0.6 * share  # hairs between dark and white: no salt and pepper
    random = g.node("ShaderNodeHairInfo", output="Random")
    along = g.another(random, "Intercept")
    colour = g.mix(g.times(random, 0.45), rgb * 0.85, np.minimum(rgb * 1.7 + 0.004, 1))
    colour = g.mix(g.times(along, hair.tips), colour, np.minimum(rgb * 2.2 + 0.01, 0.8))
    colour = g.mix(g.ramp(along, 0.12, 0.0), colour, rgb * 0.6)
    if share > 0:
        colour = g.mix(g.ramp(random, 1 - share, 1.03 - share), colour, GREY)
    diffuse = g.node("ShaderNodeBsdfDiffuse", {"Color": colour})
    sheen_rgb = [*np.minimum(0.12 + 1.2 * rgb, 1).tolist(), 1.0]
    sheen = g.node(
        "ShaderNodeBsdfHair",
        {"Color": sheen_rgb, "RoughnessU": 0.25, "RoughnessV": 0.8},
        component="Reflection",
    )
    return g.surface(g.node("ShaderNodeMixShader", {0: hair.gloss, 1: diffuse, 2: sheen}))
