"""What the face does: weights of MakeHuman's expression units."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.mesh.geometry import Points
from models.renderer.person.makehuman import base_mesh


@dataclass(frozen=True, kw_only=True)
class Expression:
    """Weights of expression units, 0 to 1."""

    units: dict[str, float]


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Expression:
    """The expression named in `labels`, each time a little different, a little asymmetric."""
    units: dict[str, float] = {}

    def one(name: str, low: float, high: float) -> None:
        units[name] = round(float(rng.uniform(low, high)), 5)

    def both(name: str, low: float, high: float) -> None:
        weight = rng.uniform(low, high)
        for side in ("Left", "Right"):
            units[name + side] = round(float(weight * rng.uniform(0.88, 1.08)), 5)

    both("eyeBlink", 0.0, 0.1)
    EXPRESSIONS[labels["expression"]](rng, one, both)
    return Expression(units=units)


Unit = Callable[[str, float, float], None]


def _neutral(rng: np.random.Generator, one: Unit, both: Unit) -> None:
    both("mouthPress", 0, 0.25)
    both("mouthSmile", 0, 0.15)


def _smile(rng: np.random.Generator, one: Unit, both: Unit) -> None:
    both("mouthSmile", 0.35, 0.85)
    both("cheekSquint", 0.1, 0.5)
    both("eyeSquint", 0, 0.3)
    if rng.random() < 0.45:
        one("jawOpen", 0.04, 0.16)
        both("mouthUpperUp", 0.2, 0.5)


def _open_mouth(rng: np.random.Generator, one: Unit, both: Unit) -> None:
    one("jawOpen", 0.15, 0.5)
    one(str(rng.choice(["mouthFunnel", "mouthPucker", "mouthShrugUpper"])), 0, 0.4)
    both("mouthLowerDown", 0, 0.3)


def _frown(rng: np.random.Generator, one: Unit, both: Unit) -> None:
    both("mouthFrown", 0.3, 0.8)
    both("browDown", 0.3, 0.9)
    one("mouthShrugLower", 0, 0.4)


def _surprise(rng: np.random.Generator, one: Unit, both: Unit) -> None:
    one("jawOpen", 0.2, 0.6)
    one("browInnerUp", 0.4, 0.9)
    both("browOuterUp", 0.4, 0.9)
    both("eyeWide", 0.3, 0.8)


EXPRESSIONS: dict[str, Callable[[np.random.Generator, Unit, Unit], None]] = {
    "neutral": _neutral,
    "smile": _smile,
    "open_mouth": _open_mouth,
    "frown": _frown,
    "surprise": _surprise,
}


def express(points: Points, expression: Expression) -> None:
    """Move a shaped mesh's face, in place."""
    for name, weight in expression.units.items():
        base_mesh().add(points, f"unit/{name}", weight)
