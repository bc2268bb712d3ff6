"""What the specification of every rendered portrait holds: its seed, its labels, and what is around
its subject.

A subject's own concepts are the fields of a subclass, in the subject's folder.
"""

import json
import zlib
from dataclasses import asdict, dataclass, fields
from typing import ClassVar, Self

import numpy as np
from pydantic import TypeAdapter, ValidationError

from core.errors import InvalidSpec
from models.renderer.scene.background import Background
from models.renderer.scene.camera import CameraSpec, Motion, Sensor
from models.renderer.scene.light import Light


@dataclass(frozen=True, kw_only=True)
class SubjectSpec:
    """Fully determines a picture, up to its size and quality."""

    domain: ClassVar[str]
    """What orders call subjects of this kind."""
    version: int
    """What the numbers mean; the default is the version that is drawn now."""
    seed: int
    labels: dict[str, str]
    """Every attribute that can be ordered (`matteforge.schemas.attributes`), with its value."""
    light: Light
    camera: CameraSpec
    background: Background
    sensor: Sensor
    motion: Motion

    def attributes(self) -> dict[str, str]:
        """What can be ordered, as it is here."""
        return dict(self.labels)

    def to_json(self) -> str:
        """Sorted keys, exact numbers."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`. Raises InvalidSpec for another version or missing, unknown or
        mistyped fields."""
        try:
            spec = TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            raise InvalidSpec(
                f"not a portrait's spec: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            ) from error
        drawn = next(field.default for field in fields(cls) if field.name == "version")
        if spec.version != drawn:
            raise InvalidSpec(
                f"the spec is of version {spec.version}; this renderer draws version {drawn}"
            )
        given, read = json.loads(text), json.loads(spec.to_json())
        if wrong := [name for name in {**given, **read} if given.get(name) != read.get(name)]:
            raise InvalidSpec(
                f"not a portrait's spec: missing, unknown or mistyped in {', '.join(wrong)}"
            )
        return spec


def stream(seed: int, name: str) -> np.random.Generator:
    """The random numbers of one name alone: another name's are independent of them."""
    return np.random.default_rng((seed, zlib.crc32(name.encode())))
