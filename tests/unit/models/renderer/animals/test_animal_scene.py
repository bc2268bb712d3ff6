"""Every kind as geometry, without Blender: surfaces, hairs near the skin, landmarks in place."""

from functools import cache

import numpy as np
import pytest

from matteforge.schemas.animals import ANIMALS
from models.renderer.animals.portrait import build_animal
from models.renderer.animals.subject import ANIMAL
from models.renderer.render import survey
from models.renderer.scene.scene import Part, Scene

KINDS = ANIMALS.values["kind"]
LABELS = {"pattern": "natural", "fur": "natural", "collar": "yes", "pose": "frontal"}
LONGEST_DM = 3.0
"""No hair is further than this from the skin: a lion's longest are half of it."""


@cache
def scene_of(kind: str) -> Scene:
    return build_animal(ANIMAL.draw(21, {"kind": kind, **LABELS}, "aligned"))


@pytest.mark.parametrize("kind", KINDS)
def test_surfaces_and_hairs_are_finite_and_close_together(kind: str) -> None:
    scene = scene_of(kind)
    skin = scene.meshes[0].points
    low, high = skin.min(axis=0) - LONGEST_DM, skin.max(axis=0) + LONGEST_DM
    for mesh in scene.meshes:
        assert np.isfinite(mesh.points).all()
        assert mesh.faces.min() >= 0
        assert mesh.faces.max() < len(mesh.points)
        assert all(len(values) == len(mesh.points) for values in mesh.attributes.values())
    for hair in scene.strands:
        assert np.isfinite(hair.points).all()
        assert (hair.points > low).all()
        assert (hair.points < high).all()
        assert (hair.radius > 0).all()
        assert hair.rgb is None or ((hair.rgb >= 0) & (hair.rgb <= 1)).all()
    assert {hair.part for hair in scene.strands} == {Part.FACE, Part.HAIR}
    assert {mesh.material for mesh in scene.meshes} <= set(scene.materials)
    assert sum(len(hair.points) for hair in scene.strands) > 5000


@pytest.mark.parametrize("kind", KINDS)
def test_landmarks_lie_where_they_are_seen(kind: str) -> None:
    """Image coordinates of an upright head that looks at the camera."""
    scene = scene_of(kind)
    names = list(scene.landmarks)
    at = dict(
        zip(names, scene.camera.project(np.stack([scene.landmarks[n] for n in names]), 128),
            strict=True)
    )  # fmt: skip
    balls = [mesh for mesh in scene.meshes if mesh.material == "eyes"]
    assert len(balls) == 2
    for side, ball in zip(("left", "right"), balls, strict=True):
        middle = (ball.points.min(axis=0) + ball.points.max(axis=0)) / 2
        radius = np.linalg.norm(ball.points - middle, axis=1).max()
        assert np.linalg.norm(scene.landmarks[f"eye_{side}"] - middle) < 1.2 * radius
    assert at["eye_left"][0] > at["nose_tip"][0] > at["eye_right"][0]
    assert at["nose_tip"][1] > max(at["eye_left"][1], at["eye_right"][1])
    assert at["chin"][1] > at["nose_tip"][1]
    assert at["forehead"][1] < at["nose_tip"][1]
    inside = [at[name][:2] for name in ANIMAL.face.in_frame]
    assert (np.array(inside) > 0).all()
    assert (np.array(inside) < 128).all()


@pytest.mark.parametrize("kind", ["cat", "horse", "owl"])
def test_the_same_spec_gives_the_same_arrays(kind: str) -> None:
    spec = ANIMAL.draw(21, {"kind": kind, **LABELS}, "aligned")
    again = build_animal(type(spec).from_json(spec.to_json()))
    for mesh, other in zip(scene_of(kind).meshes, again.meshes, strict=True):
        np.testing.assert_array_equal(mesh.points, other.points)
        for name, values in mesh.attributes.items():
            np.testing.assert_array_equal(values, other.attributes[name])
    for hair, other_hair in zip(scene_of(kind).strands, again.strands, strict=True):
        np.testing.assert_array_equal(hair.points, other_hair.points)
        np.testing.assert_array_equal(hair.rgb, other_hair.rgb)


@pytest.mark.parametrize("seed", [1, 2])
def test_quality_control_finds_nothing_wrong(seed: int) -> None:
    assert survey(ANIMAL.draw(seed, {"pose": "frontal"}, "aligned")).defects == ()


def test_the_eyes_show_through_the_skin() -> None:
    """Holes in the skin where the eyes are, and no hair before them."""
    scene = scene_of("cat")
    skin = scene.meshes[0]
    cut = skin.attributes["cut"]
    assert (cut < 0).any()
    eyes = [scene.landmarks[f"eye_{side}"] for side in ("left", "right")]
    off = np.min([np.linalg.norm(skin.points[cut < 0] - eye, axis=1) for eye in eyes], axis=0)
    assert off.max() < 0.35
    roots = np.concatenate([hair.points[:, 0] for hair in scene.strands])
    assert min(np.linalg.norm(roots - eye, axis=1).min() for eye in eyes) > 0.08


def test_white_coats_are_exposed_as_white() -> None:
    """The meter aims higher for what reflects more light, and no lower for what reflects less."""

    def aim(colour: str) -> float:
        given = {"kind": "cat", "pattern": "solid", "colour": colour}
        return build_animal(ANIMAL.draw(21, LABELS | given, "aligned")).meter_aim

    assert aim("white") > 2
    assert aim("black") == aim("ginger") == 1
