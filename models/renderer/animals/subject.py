"""Animals as a subject of the renderer."""

from models.renderer.animals import (
    coat,
    collar,
    ears,
    eyes,
    fur,
    head,
    horns,
    mane,
    nose_mouth,
    pose,
    whiskers,
)
from models.renderer.animals.portrait import build_animal
from models.renderer.animals.spec import AnimalSpec
from models.renderer.subject import FACE_POINTS, Face, Subject

ANIMAL = Subject(
    spec=AnimalSpec,
    concepts={
        "head": head.draw,
        "ears": ears.draw,
        "eyes": eyes.draw,
        "nose_mouth": nose_mouth.draw,
        "whiskers": whiskers.draw,
        "coat": coat.draw,
        "fur": fur.draw,
        "mane": mane.draw,
        "horns": horns.draw,
        "collar": collar.draw,
        "pose": pose.draw,
    },
    build_scene=build_animal,
    face=Face(in_frame=(*FACE_POINTS, "ear_tip_left", "ear_tip_right")),
    renderer="animals",
)
