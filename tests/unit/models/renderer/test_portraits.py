"""Real pictures by Blender, small: `make test-portraits`."""

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from matteforge.schemas.attributes import Framing
from models.renderer.blender.picture import MEMBERS, RenderedPicture
from models.renderer.blender.process import RenderProcess
from models.renderer.labels import ground_truth
from models.renderer.labels.views import SceneGeometry
from models.renderer.person.portrait import build_scene
from models.renderer.person.spec import PortraitSpec
from models.renderer.person.subject import PERSON
from models.renderer.render import survey
from models.renderer.scene.scene import Part
from models.renderer.scene.sphere import directions, towards

pytestmark = pytest.mark.portraits
SIZE_PX = 64
ORDERED = {
    "pose": "frontal",
    "hair": "short",
    "headwear": "none",
    "background": "room",
    "glasses": "yes",
}


@pytest.fixture(scope="module")
def spec() -> PortraitSpec:
    return PERSON.draw(9, ORDERED)  # whose glasses are broad enough for a pixel


@pytest.fixture(scope="module")
def picture(renderer: RenderProcess, spec: PortraitSpec) -> RenderedPicture:
    return renderer.draw(survey(spec), SIZE_PX)


def test_a_spec_gives_the_same_pixels_in_another_process(
    picture: RenderedPicture,
    spec: PortraitSpec,
    assert_same: Callable[[RenderedPicture, RenderedPicture], None],
) -> None:
    with RenderProcess(threads=2) as another:
        again = another.draw(survey(PortraitSpec.from_json(spec.to_json())), SIZE_PX)
    assert_same(picture, again)


def test_members_agree(picture: RenderedPicture) -> None:
    alpha, parts, depth, trimap = (
        picture.alpha,
        picture.parts_u8,
        picture.depth_mm,
        picture.trimap_u8,
    )
    assert picture.rgb_u8.shape == (SIZE_PX, SIZE_PX, 3)
    assert 0.2 < alpha.mean() < 0.9
    assert parts is not None
    assert depth is not None
    assert trimap is not None
    assert picture.normals_u8 is not None
    np.testing.assert_array_equal(parts > 0, depth > 0)
    assert (alpha[parts == 0] < 0.01).all()
    assert (parts[alpha > 0.5] > 0).all()
    assert (alpha[trimap == 255] > 0.99).all()
    assert (alpha[trimap == 0] < 0.01).all()
    normals = picture.normals_u8[parts > 0] / 127.5 - 1
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=0.02)
    assert (normals[:, 2] > -0.3).all()
    assert set(np.unique(parts)) == set(Part)
    assert 300 < np.median(depth[parts == Part.FACE]) < 4000


def test_landmarks_lie_in_the_face(picture: RenderedPicture) -> None:
    assert picture.parts_u8 is not None
    for name in ("nose_tip", "mouth_left", "mouth_right"):
        x, y = picture.landmarks[name]
        assert picture.parts_u8[int(y), int(x)] == Part.FACE
    assert picture.landmarks["eye_left"][0] != picture.landmarks["eye_right"][0]
    assert (
        picture.landmarks["chin"][1]
        > picture.landmarks["nose_tip"][1]
        > picture.landmarks["forehead"][1]
    )


def test_the_picture_shows_the_foreground_where_alpha_is_one(picture: RenderedPicture) -> None:
    assert picture.fg_u8 is not None
    inside = picture.alpha == 1
    off = np.abs(picture.rgb_u8[inside].astype(int) - picture.fg_u8[inside])
    assert inside.any()
    assert off.mean() < 12  # sensor noise and JPEG


def test_alpha_is_what_cycles_sees(renderer: RenderProcess) -> None:
    """Within the noise of 128 paths a pixel; without glasses, whose lenses only Cycles counts."""
    scene = build_scene(PERSON.draw(0, {"glasses": "no"}))
    seen = renderer.render_scene(scene, SIZE_PX, 128, 1, denoise=False)[..., 3]
    geometry = SceneGeometry(scene)
    alpha = ground_truth.alpha(geometry, SIZE_PX, geometry.views(SIZE_PX, 8).seen())
    assert np.sqrt(((alpha - seen) ** 2).mean()) < 0.015


@pytest.mark.parametrize("from_right", [True, False])
def test_the_panorama_lights_from_where_it_is_bright(
    renderer: RenderProcess, from_right: bool
) -> None:
    """Nothing but a bright quarter to the picture's right, or left, lights a head that looks at the
    camera."""
    scene = build_scene(PERSON.draw(7, {**ORDERED, "glasses": "no", "beard": "none"}))
    bright = (directions(32) @ towards((np.pi / 2 if from_right else -np.pi / 2, 0.0)) > 0.7)[
        ..., None
    ]
    picture = np.where(bright, np.float32(4), np.float32(0.01)).repeat(3, axis=2)
    scene = replace(scene, lamps=(), world=replace(scene.world, panorama=picture))
    seen = renderer.render_scene(scene, SIZE_PX, 8, 1)[..., :3].mean(axis=2)
    nose, chin, brow = (scene.camera.project(scene.landmarks[name][None], SIZE_PX)[0] for name in
                        ("nose_tip", "chin", "forehead"))  # fmt: skip
    face = seen[int(brow[1]) : int(chin[1])]
    middle, reach = int(nose[0]), int((chin[1] - brow[1]) / 3)
    left, right = face[:, middle - reach : middle].mean(), face[:, middle : middle + reach].mean()
    assert (right > 2 * left) if from_right else (left > 2 * right)


def test_only_ordered_members_are_made(renderer: RenderProcess, spec: PortraitSpec) -> None:
    picture = renderer.draw(survey(spec), 48, ("alpha", "parts"))
    assert picture.parts_u8 is not None
    assert (picture.fg_u8, picture.trimap_u8, picture.depth_mm, picture.normals_u8) == (None,) * 4
    assert picture.landmarks == {}
    assert set(MEMBERS) > {"alpha", "parts"}


@pytest.mark.parametrize("seed", range(6))
def test_drawn_shapes_come_back_from_json(seed: int) -> None:
    spec = PERSON.draw(seed, {})
    assert PortraitSpec.from_json(spec.to_json()) == spec


def test_aligned_heads_lie_in_one_place() -> None:
    """The middle between the ears, to 3 of 128 pixels; freely framed, further."""
    faces = {"pose": "frontal", "hair": "short", "headwear": "none"}
    spreads = {}
    for framing in get_args(Framing):
        scenes = [build_scene(PERSON.draw(seed, faces, framing)) for seed in range(8)]
        seen = [ground_truth.landmarks(scene, 128) for scene in scenes]
        middles = [np.mean([each["ear_left"], each["ear_right"]], axis=0) for each in seen]
        spreads[framing] = np.std(middles, axis=0).max()
    assert spreads["aligned"] < 3
    assert spreads["aligned"] < spreads["free"] / 1.4
