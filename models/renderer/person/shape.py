"""Who it is: weights of MakeHuman's shape targets."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.renderer.mesh.geometry import Points
from models.renderer.person.makehuman import base_mesh

FEATURES = ("head", "forehead", "eyes", "nose", "mouth", "chin", "cheek", "ears", "eyebrows")
NOT_FEATURES = ("trans", "age", "head-scale", "fat", "pointed", "angle")
ANCESTRY = {  # Dirichlet weights of (african, asian, caucasian) shapes for each skin tone
    "tone1": (0.1, 0.4, 2.0), "tone2": (0.1, 1.0, 1.6), "tone3": (0.2, 1.4, 1.0),
    "tone4": (0.6, 1.2, 0.8), "tone5": (1.6, 0.5, 0.3), "tone6": (2.2, 0.2, 0.1),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Weights of targets, 0 to 1 or a little more."""

    maleness: float
    """0: the female shapes, 1: the male ones."""
    targets: dict[str, float]


def draw(rng: np.random.Generator, labels: Mapping[str, str]) -> Shape:
    """A head and shoulders of the sex, age and skin tone in `labels`."""
    age, male = labels["age"], labels["sex"] == "male"
    maleness = float(np.clip(rng.normal(0.93, 0.06) if male else rng.normal(0.06, 0.06), 0, 1))
    ancestry = dict(
        zip(("african", "asian", "caucasian"), rng.dirichlet(ANCESTRY[labels["skin"]]), strict=True)
    )
    ages = _ages(rng, age)
    targets: dict[str, float] = {}

    def add(name: str, weight: float) -> None:
        if abs(weight) > 1e-4:
            targets[name] = round(targets.get(name, 0.0) + float(weight), 5)

    for sex, of_sex in (("male", maleness), ("female", 1 - maleness)):
        for years, of_age in ages.items():
            for people, of_people in ancestry.items():
                add(f"macrodetails/{people}-{sex}-{years}", of_sex * of_age * of_people)
    for name, weight in _build(rng, maleness, ages).items():
        add(name, weight)
    for name, weight in {
        **_features(rng, calm=0.6 if age == "child" else 1.0),
        **_age_marks(rng, age),
    }.items():
        add(name, weight)
    return Shape(maleness=round(maleness, 5), targets=targets)


def shaped(shape: Shape) -> Points:
    """The base mesh with all targets applied, [n, 3]."""
    mesh = base_mesh()
    points = mesh.points.copy()
    for name, weight in shape.targets.items():
        mesh.add(points, name, weight)
    return points


def _ages(rng: np.random.Generator, age: str) -> dict[str, float]:
    """Shares of MakeHuman's ages; its child is about ten, its young 25, its old 90."""
    if age == "child":
        toddler = rng.uniform(0, 0.3)
        return {"baby": toddler, "child": 1 - toddler}
    if age == "young":
        teen = rng.uniform(0, 0.3) if rng.random() < 0.4 else 0.0
        return {"child": teen, "young": 1 - teen}
    old = rng.uniform(0.3, 0.55) if age == "middle" else rng.uniform(0.8, 1.05)
    return {"young": 1 - old, "old": old}


def _build(
    rng: np.random.Generator, maleness: float, ages: Mapping[str, float]
) -> dict[str, float]:
    """Muscle and weight, both moderate: photographs of people rarely show athletes."""
    muscle, weight = (
        np.clip(rng.normal(0.42, 0.1), 0.1, 0.75),
        np.clip(rng.normal(0.48, 0.17), 0.1, 1.0),
    )
    muscles = {
        "minmuscle": max(0, 1 - 2 * muscle),
        "averagemuscle": 1 - abs(2 * muscle - 1),
        "maxmuscle": max(0, 2 * muscle - 1),
    }
    weights = {
        "minweight": max(0, 1 - 2 * weight),
        "averageweight": 1 - abs(2 * weight - 1),
        "maxweight": max(0, 2 * weight - 1),
    }
    present = set(base_mesh().target_names("macrodetails"))
    built = {}
    for sex, of_sex in (("male", maleness), ("female", 1 - maleness)):
        for years, of_age in ages.items():
            for m, of_muscle in muscles.items():
                for w, of_weight in weights.items():
                    name = f"macrodetails/universal-{sex}-{years}-{m}-{w}"
                    if name in present:
                        built[name] = of_sex * of_age * of_muscle * of_weight
    return built


def _features(rng: np.random.Generator, calm: float) -> dict[str, float]:
    """A third of the features of head and face, nearly alike on both sides, and some asymmetry."""
    mesh, weights = base_mesh(), {}
    for folder in FEATURES:
        for name in mesh.target_names(folder):
            stem = name.split("/")[1]
            chosen, strength, other = (
                rng.random() < 0.35,
                abs(rng.normal(0, 0.3)) * calm,
                rng.uniform(0.9, 1.1),
            )
            if not chosen or stem.startswith("r-") or any(word in stem for word in NOT_FEATURES):
                continue
            strength = min(strength, 0.8) * (0.6 if folder == "head" else 1.0)
            weights[name] = strength
            if stem.startswith("l-"):
                weights[f"{folder}/r-{stem[2:]}"] = strength * other
    for name in mesh.target_names("asym"):
        chosen, strength = rng.random() < 0.25, rng.uniform(0, 0.3)
        if chosen:
            weights[name] = strength
    return weights


def _age_marks(rng: np.random.Generator, age: str) -> dict[str, float]:
    fat = rng.normal(0.1 if age == "child" else 0.0, 0.3)
    slack = {
        "child": 0.0,
        "young": 0.0,
        "middle": rng.uniform(0.1, 0.4),
        "old": rng.uniform(0.5, 1.0),
    }[age]
    broad = rng.uniform(0.6, 1.2)
    return {
        f"head/head-fat-{'incr' if fat > 0 else 'decr'}": min(abs(fat), 0.7),
        "head/head-age-incr": slack,
        "neck/neck-double-incr": slack * rng.uniform(0, 0.6),
        "torso/measure-shoulder-dist-decr": broad if age != "child" else broad / 2,
        "torso/torso-muscle-dorsi-decr": rng.uniform(0.2, 0.8),
    }
