"""A portrait's specification: all that was sampled, each concept from a random sub-stream of its
own."""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from core.errors import InvalidSpec
from core.rendered_people import is_man
from matteforge.schemas.attributes import ATTRIBUTES, Framing, complete_shares
from models.renderer.person import (
    accessories,
    clothes,
    expression,
    eyes,
    facial_hair,
    hair,
    hand,
    pose,
    shape,
    skin,
)
from models.renderer.scene import background, camera, light
from models.renderer.scene.camera import Motion, Sensor  # fmt: skip

VERSION = 8
"""The version of what a spec's numbers mean; a change of geometry, materials or streams that moves
a pixel raises it."""


@dataclass(frozen=True, kw_only=True)
class PortraitSpec:
    """Fully determines a picture, up to its size and quality."""

    version: int = VERSION
    seed: int
    labels: dict[str, str]
    """The ordered vocabulary of `core.rendered_people.ATTRIBUTES`."""
    shape: shape.Shape
    expression: expression.Expression
    pose: pose.Pose
    hand: hand.Hand
    skin: skin.Skin
    eyes: eyes.Eyes
    hair: hair.Hair
    brows: facial_hair.Brows
    beard: facial_hair.Beard
    clothes: clothes.Clothes
    accessories: accessories.Accessories
    light: light.Light
    camera: camera.CameraSpec
    background: background.Background
    sensor: Sensor
    motion: Motion

    def attributes(self) -> dict[str, str]:
        """What can be ordered, as it is here."""
        return dict(self.labels)

    def to_json(self) -> str:
        """Sorted keys, exact numbers."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "PortraitSpec":
        """The inverse of `to_json`. Raises InvalidSpec for another version or missing, unknown or
        mistyped fields."""
        try:
            spec = TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            raise InvalidSpec(
                f"not a portrait's spec: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            ) from error
        if spec.version != VERSION:
            raise InvalidSpec(
                f"the spec is of version {spec.version}; this renderer draws version {VERSION}"
            )
        given, read = json.loads(text), json.loads(spec.to_json())
        if wrong := [name for name in {**given, **read} if given.get(name) != read.get(name)]:
            raise InvalidSpec(
                f"not a portrait's spec: missing, unknown or mistyped in {', '.join(wrong)}"
            )
        return spec


Draw = Callable[[np.random.Generator, Mapping[str, str]], Any]
CONCEPTS: dict[str, Draw] = {
    "shape": shape.draw,
    "expression": expression.draw,
    "pose": pose.draw,
    "hand": hand.draw,
    "skin": skin.draw,
    "eyes": eyes.draw,
    "hair": hair.draw,
    "brows": facial_hair.draw_brows,
    "beard": facial_hair.draw_beard,
    "clothes": clothes.draw,
    "accessories": accessories.draw,
    "light": light.draw,
    "camera": camera.draw,
    "background": background.draw,
    "sensor": camera.draw_sensor,
    "motion": camera.draw_motion,
}
FRAMED: dict[Framing, dict[str, Draw]] = {
    "free": {},
    "aligned": {
        "camera": camera.draw_aligned,
        "sensor": camera.draw_clean_sensor,
        "motion": camera.draw_still,
    },
}
"""What a framing draws in another way; the person, the light and the background stay."""


def stream(seed: int, name: str) -> np.random.Generator:
    """The random numbers of one name alone: another name's are independent of them."""
    return np.random.default_rng((seed, zlib.crc32(name.encode())))


def draw_spec(seed: int, attributes: Mapping[str, str], framing: Framing = "free") -> PortraitSpec:
    """A person with these attributes, the others drawn.

    Raises InvalidSpec for unknown names or values.
    """
    labels = draw_labels(seed, attributes)
    draws = CONCEPTS | FRAMED[framing]
    parts = {name: draw(stream(seed, name), labels) for name, draw in draws.items()}
    return PortraitSpec(seed=seed, labels=labels, **parts)


def vary(spec: PortraitSpec, concept: str, number: int, framing: Framing = "free") -> PortraitSpec:
    """The same picture but for one concept, drawn anew; `hair` also draws its label.

    Raises InvalidSpec for a concept that can't be varied.
    """
    if concept not in CONCEPTS:
        raise InvalidSpec(f"{concept} can't be varied; one of {', '.join(CONCEPTS)} can")
    name = f"{concept}/{number}"
    labels = dict(spec.labels)
    if concept in ATTRIBUTES:
        labels[concept] = _draw_label(stream(spec.seed, f"label/{name}"), concept, labels)
    draw = (CONCEPTS | FRAMED[framing])[concept]
    return replace(spec, labels=labels, **{concept: draw(stream(spec.seed, name), labels)})


def draw_labels(seed: int, given: Mapping[str, str]) -> dict[str, str]:
    """Every attribute: as given, or drawn from its own sub-stream by the shares of an order."""
    for name, value in given.items():
        if value not in ATTRIBUTES.get(name, ()):
            known = ", ".join(ATTRIBUTES.get(name, ATTRIBUTES))
            raise InvalidSpec(f"{name}={value} is not known; choose from {known}")
    labels: dict[str, str] = {}
    for name in ATTRIBUTES:
        labels[name] = given.get(name) or _draw_label(
            stream(seed, f"label/{name}"), name, {**labels, **given}
        )
    return labels


def _draw_label(rng: np.random.Generator, name: str, known: Mapping[str, str]) -> str:
    if name == "beard" and not is_man(known["sex"], known["age"]):
        return "none"
    shares = complete_shares({})[name]
    return str(rng.choice(list(shares), p=list(shares.values())))
