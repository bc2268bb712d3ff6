"""Real pictures of animals by Blender, small: `make test-portraits`."""

from collections.abc import Callable

import numpy as np
import pytest

from models.renderer.animals.spec import AnimalSpec
from models.renderer.animals.subject import ANIMAL
from models.renderer.blender.picture import RenderedPicture
from models.renderer.blender.process import RenderProcess
from models.renderer.labels import ground_truth
from models.renderer.labels.views import SceneGeometry
from models.renderer.render import survey

pytestmark = pytest.mark.portraits
SIZE_PX = 64
SPEC = ANIMAL.draw(7, {"kind": "fox", "pattern": "natural", "colour": "natural", "light": "studio"})


@pytest.fixture(scope="module")
def picture(renderer: RenderProcess) -> RenderedPicture:
    return renderer.draw(survey(SPEC), SIZE_PX)


def test_a_spec_gives_the_same_pixels_in_another_process(
    picture: RenderedPicture, assert_same: Callable[[RenderedPicture, RenderedPicture], None]
) -> None:
    with RenderProcess(threads=2) as another:
        again = another.draw(survey(AnimalSpec.from_json(SPEC.to_json())), SIZE_PX)
    assert_same(picture, again)


def test_a_fox_is_red(picture: RenderedPicture) -> None:
    """The colour of single hairs reaches the picture."""
    assert picture.fg_u8 is not None
    red, green, blue = picture.fg_u8[picture.alpha > 0.9].astype(float).T
    assert (red > 1.4 * blue).mean() > 0.3
    assert red.mean() > green.mean() > blue.mean()


def test_alpha_is_what_cycles_sees(renderer: RenderProcess) -> None:
    """Within the noise of 128 paths a pixel."""
    scene = ANIMAL.build_scene(SPEC)
    seen = renderer.render_scene(scene, SIZE_PX, 128, 1, denoise=False)[..., 3]
    geometry = SceneGeometry(scene)
    alpha = ground_truth.alpha(geometry, SIZE_PX, geometry.views(SIZE_PX, 8).seen())
    assert np.sqrt(((alpha - seen) ** 2).mean()) < 0.015
