"""How portraits are framed: freely, or aligned for generators to learn from."""

import numpy as np
import pytest

from models.renderer.person.spec import PortraitSpec
from models.renderer.person.subject import PERSON

pytestmark = pytest.mark.usefixtures("plain_shapes")
SEEDS = range(60)


@pytest.fixture
def aligned() -> list[PortraitSpec]:
    return [PERSON.draw(seed, {}, "aligned") for seed in SEEDS]


def spread(specs: list[PortraitSpec]) -> float:
    return float(np.std([spec.camera.frame_heads for spec in specs]))


def test_aligned_heads_have_one_size_and_place(aligned: list[PortraitSpec]) -> None:
    assert all(1.75 <= spec.camera.frame_heads <= 2.2 for spec in aligned)
    right, down = np.array([spec.camera.offset_heads for spec in aligned]).T
    assert np.abs(right).max() < 0.1
    assert np.abs(down - 0.28).max() < 0.1
    assert spread(aligned) < spread([PERSON.draw(seed, {}) for seed in SEEDS]) / 2


def test_an_aligned_picture_is_sharp_and_clean(aligned: list[PortraitSpec]) -> None:
    assert all(
        spec.motion.length_px == spec.sensor.jpeg_quality == spec.sensor.softness_px == 0
        for spec in aligned
    )
    assert max(spec.sensor.noise for spec in aligned) <= 0.006


def test_framing_changes_the_camera_and_nobody_in_front_of_it(aligned: list[PortraitSpec]) -> None:
    for seed, spec in zip(SEEDS, aligned, strict=True):
        free = PERSON.draw(seed, {})
        changed = {name for name in vars(free) if getattr(free, name) != getattr(spec, name)}
        assert changed <= {"camera", "sensor", "motion"}
        assert free.sensor.exposure_stops == spec.sensor.exposure_stops


def test_a_varied_camera_keeps_its_framing() -> None:
    varied = [
        PERSON.vary(PERSON.draw(1, {}, "aligned"), "camera", number, "aligned") for number in SEEDS
    ]
    assert 0 < spread(varied) < 0.12
