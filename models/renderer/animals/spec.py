"""An animal's specification: all that was sampled, each concept from a random sub-stream of its
own."""

from dataclasses import dataclass
from typing import ClassVar

from models.renderer.animals.coat import Coat
from models.renderer.animals.collar import Collar
from models.renderer.animals.ears import Ears
from models.renderer.animals.eyes import AnimalEyes
from models.renderer.animals.fur import Fur
from models.renderer.animals.head import Head
from models.renderer.animals.horns import Horns
from models.renderer.animals.mane import Mane
from models.renderer.animals.nose_mouth import NoseMouth
from models.renderer.animals.pose import AnimalPose
from models.renderer.animals.whiskers import Whiskers
from models.renderer.spec import SubjectSpec

VERSION = 5
"""The version of what a spec's numbers mean; a change of geometry, materials or streams that moves
a pixel raises it."""


@dataclass(frozen=True, kw_only=True)
class AnimalSpec(SubjectSpec):
    """Which animal is in the picture."""

    domain: ClassVar[str] = "animals"
    version: int = VERSION
    head: Head
    ears: Ears
    eyes: AnimalEyes
    nose_mouth: NoseMouth
    whiskers: Whiskers
    coat: Coat
    fur: Fur
    mane: Mane
    horns: Horns
    collar: Collar
    pose: AnimalPose
