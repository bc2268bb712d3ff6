"""The coat's colours, at any point of the resting skin."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.animals import kinds
from models.renderer.animals.head import Head
from models.renderer.animals.patterns import DARK_EARS, PATTERNS, Place, noise
from models.renderer.mesh.geometry import Array, Points

RGB = tuple[float, float, float]
COLOURS: dict[str, RGB] = {  # linear
    "black": (0.012, 0.011, 0.011), "brown": (0.10, 0.046, 0.020), "ginger": (0.42, 0.145, 0.032),
    "grey": (0.13, 0.127, 0.122), "white": (0.74, 0.71, 0.65),
    "tan": (0.40, 0.235, 0.105), "cream": (0.62, 0.49, 0.32), "chestnut": (0.17, 0.058, 0.021),
    "silver": (0.34, 0.33, 0.31), "chocolate": (0.040, 0.019, 0.010), "pink": (0.62, 0.34, 0.29),
    "slate": (0.035, 0.034, 0.035),
}  # fmt: skip
DARKER = {
    "white": "grey", "ginger": "chestnut", "grey": "black", "brown": "black", "tan": "chocolate",
    "cream": "tan", "silver": "slate", "black": "chocolate", "chestnut": "chocolate",
    "chocolate": "black",
}  # fmt: skip
"""The second colour of a pattern that is ordered, by the first."""
DARK = ("black", "brown", "chocolate", "chestnut", "slate")


@dataclass(frozen=True, kw_only=True)
class Coat:
    """Colours are linear RGB in [0, 1]."""

    pattern: str
    colour: str
    rgb: RGB
    second_rgb: RGB  # colour of stripes, spots and masks
    light_rgb: RGB  # colour of the paler parts
    skin_rgb: RGB  # colour of the hollows of ears
    ticking: float  # how much lighter the tips of hairs are than their middle
    variety: float  # how much hairs differ from each other
    scale: float  # how close together stripes and spots are
    seed: int


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Coat:
    """A coat of the pattern and colour in `labels`; `natural`: as this kind has them."""
    kind = labels["kind"]
    choices = kinds.words(kind, "coat", "natural")
    pattern, colour, second, light = choices[int(rng.integers(len(choices)))].split()
    if labels["colour"] != "natural":
        colour = labels["colour"]
    if labels["pattern"] != "natural":
        pattern = labels["pattern"]
    if "natural" not in (labels["pattern"], labels["colour"]) or labels["pattern"] != "natural":
        second, light = DARKER[colour], "black" if colour == "white" else "white"
    elif labels["colour"] != "natural" and pattern != "panda":
        second, light = DARKER[colour], "grey" if colour == "black" else "white"
    tint = rng.uniform(0.85, 1.15) * rng.uniform(0.96, 1.04, 3)
    return kinds.drawn(
        Coat, rng, kind, "coat",
        pattern=pattern,
        colour=colour,
        rgb=_rgb(np.array(COLOURS[colour]) * tint),
        second_rgb=_rgb(np.array(COLOURS[second]) * rng.uniform(0.9, 1.1)),
        light_rgb=_rgb(np.array(COLOURS[light]) * rng.uniform(0.9, 1.05)),
        skin_rgb=_rgb(np.array(COLOURS["pink"]) * (0.25 if colour in DARK else 0.75)),
        seed=int(rng.integers(2**31)),
    )  # fmt: skip


def coat_rgb(coat: Coat, head: Head, points: Points) -> Array:
    """Linear RGB [n, 3] of the coat at resting points [n, 3]."""
    shares = PATTERNS[coat.pattern](Place(head, points, coat.scale, coat.seed))
    found = np.broadcast_to(np.array(coat.rgb), (len(points), 3))
    for share, rgb in ((shares.light, coat.light_rgb), (shares.second, coat.second_rgb)):
        found = found + (np.array(rgb) - found) * np.clip(share, 0, 1)[:, None]
    cloud = 1 + 0.10 * noise(points * 2.2, coat.seed + 9) + 0.10 * noise(points * 9, coat.seed + 10)
    return np.clip(found * cloud[:, None], 0.003, 0.9)


def ear_backs(coat: Coat, rgb: Array) -> Array:
    """The colours [n, 3] of the backs of the ears, from the coat's around them."""
    share = DARK_EARS.get(coat.pattern, 0.0)
    return rgb + (np.array(coat.second_rgb) - rgb) * share


def _rgb(values: Array) -> RGB:
    r, g, b = np.clip(values, 0.003, 0.9).round(5).tolist()
    return r, g, b
