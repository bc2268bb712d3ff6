"""A kind of subject that portraits can show: what is drawn of it, how it is built, how it is
judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np

from core.errors import InvalidSpec
from matteforge.schemas.attributes import VOCABULARIES, Framing
from matteforge.schemas.vocabulary import Vocabulary
from models.renderer.scene import background, camera, light
from models.renderer.scene.scene import Part, Scene
from models.renderer.spec import SubjectSpec, stream

Spec = TypeVar("Spec", bound=SubjectSpec)
Draw = Callable[[np.random.Generator, Mapping[str, str]], Any]
"""Draws a concept to fit the labels; the generator is the concept's own sub-stream."""

SURROUNDINGS: dict[str, Draw] = {
    "light": light.draw,
    "camera": camera.draw,
    "background": background.draw,
    "sensor": camera.draw_sensor,
    "motion": camera.draw_motion,
}
"""Concepts that every subject has."""
FRAMED: dict[Framing, dict[str, Draw]] = {
    "free": {},
    "aligned": {
        "camera": camera.draw_aligned,
        "sensor": camera.draw_clean_sensor,
        "motion": camera.draw_still,
    },
}
"""What a framing draws in another way; the subject, the light and the background stay."""


FACE_POINTS = (
    "nose_tip", "forehead", "eye_left", "eye_right", "mouth_left", "mouth_right"
)  # fmt: skip
"""Landmarks that every face has."""


@dataclass(frozen=True, kw_only=True)
class Face:
    """Where quality control looks, by names of a scene's landmarks."""

    eyes: tuple[str, ...] = ("eye_left", "eye_right")
    mouth: tuple[str, ...] = ("mouth_left", "mouth_right")
    in_frame: tuple[str, ...]
    """Points that must lie in the picture."""
    shown: tuple[Part, ...] = (Part.FACE, Part.ACCESSORIES)
    """Parts that may lie before the face's skin without covering it."""


def nothing_missing() -> str | None:
    """None: the subject needs no more than the renderer does."""
    return None


@dataclass(frozen=True, kw_only=True)
class Subject(Generic[Spec]):
    """All that the renderer knows of one kind of subject."""

    spec: type[Spec]
    concepts: Mapping[str, Draw]
    """Its own, by the spec's fields."""
    build_scene: Callable[[Spec], Scene]
    face: Face
    renderer: str
    """Its name in `renderer` of a delivered sample, beside the spec's version."""
    missing: Callable[[], str | None] = nothing_missing
    """None where it can be built, else what is not installed, in words."""
    weights: Mapping[str, str] = field(default_factory=dict)
    """Concepts with weights by name, of which each portrait has others -> their field."""

    @property
    def domain(self) -> str:
        """What orders call it."""
        return self.spec.domain

    @property
    def vocabulary(self) -> Vocabulary:
        """What can be ordered of it."""
        return VOCABULARIES[self.domain]

    @property
    def all_concepts(self) -> dict[str, Draw]:
        """Its own and its surroundings'."""
        return {**self.concepts, **SURROUNDINGS}

    def draw(self, seed: int, attributes: Mapping[str, str], framing: Framing = "free") -> Spec:
        """A portrait with these attributes, the others drawn.

        Raises InvalidSpec for unknown names or values.
        """
        labels = self.draw_labels(seed, attributes)
        draws = self.all_concepts | FRAMED[framing]
        parts = {name: draw(stream(seed, name), labels) for name, draw in draws.items()}
        return self.spec(seed=seed, labels=labels, **parts)

    def vary(self, spec: Spec, concept: str, number: int, framing: Framing = "free") -> Spec:
        """The same picture but for one concept, drawn anew; one that is an attribute also draws its
        label.

        Raises InvalidSpec for a concept that can't be varied.
        """
        if concept not in self.all_concepts:
            raise InvalidSpec(
                f"{concept} can't be varied; one of {', '.join(self.all_concepts)} can"
            )
        name = f"{concept}/{number}"
        labels = dict(spec.labels)
        if concept in self.vocabulary.values:
            labels[concept] = self._draw_label(stream(spec.seed, f"label/{name}"), concept, labels)
        draw = (self.all_concepts | FRAMED[framing])[concept]
        return replace(spec, labels=labels, **{concept: draw(stream(spec.seed, name), labels)})

    def draw_labels(self, seed: int, given: Mapping[str, str]) -> dict[str, str]:
        """Every attribute: as given, or drawn from its own sub-stream by the shares of an order."""
        known = self.vocabulary.values
        for name, value in given.items():
            if value not in known.get(name, ()):
                choices = ", ".join(known.get(name, known))
                raise InvalidSpec(f"{name}={value} is not known; choose from {choices}")
        labels: dict[str, str] = {}
        for name in known:
            labels[name] = given.get(name) or self._draw_label(
                stream(seed, f"label/{name}"), name, {**labels, **given}
            )
        return labels

    def _draw_label(self, rng: np.random.Generator, name: str, known: Mapping[str, str]) -> str:
        limited = self.vocabulary.limits.get(name)
        if limited and not limited.applies(known):
            return limited.otherwise
        shares = self.vocabulary.complete({})[name]
        return str(rng.choice(list(shares), p=list(shares.values())))
