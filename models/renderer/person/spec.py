"""A person's specification: all that was sampled, each concept from a random sub-stream of its
own."""

from dataclasses import dataclass
from typing import ClassVar

from models.renderer.person.accessories import Accessories
from models.renderer.person.clothes import Clothes
from models.renderer.person.expression import Expression
from models.renderer.person.eyes import Eyes
from models.renderer.person.facial_hair import Beard, Brows
from models.renderer.person.hair import Hair
from models.renderer.person.hand import Hand
from models.renderer.person.pose import Pose
from models.renderer.person.shape import Shape
from models.renderer.person.skin import Skin
from models.renderer.spec import SubjectSpec

VERSION = 8
"""The version of what a spec's numbers mean; a change of geometry, materials or streams that moves
a pixel raises it."""


@dataclass(frozen=True, kw_only=True)
class PortraitSpec(SubjectSpec):
    """Who is in the picture, and what is around them."""

    domain: ClassVar[str] = "humans"
    version: int = VERSION
    shape: Shape
    expression: Expression
    pose: Pose
    hand: Hand
    skin: Skin
    eyes: Eyes
    hair: Hair
    brows: Brows
    beard: Beard
    clothes: Clothes
    accessories: Accessories
