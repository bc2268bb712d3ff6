"""How bright a subject becomes."""

from dataclasses import replace

import numpy as np
import pytest

from models.renderer.animals.subject import ANIMAL
from models.renderer.render import METER_TRUST, MIDDLE_GREY, developed, to_display

DRAWN = ANIMAL.draw(1, {"kind": "cat"}, "aligned")
SPEC = replace(DRAWN, sensor=replace(DRAWN.sensor, exposure_stops=0.0, warmth=0.0, contrast=1.0))
ALL = np.ones((8, 8), np.float32)


def shown(light: float, meter_aim: float) -> float:
    grey = np.full((8, 8, 3), light, np.float32)
    return float(developed(grey, ALL, SPEC, meter_aim).mean())


@pytest.mark.parametrize("light", [0.02, 0.16, 0.3])
@pytest.mark.parametrize("meter_aim", [1.0, 2.0])
def test_the_meter_goes_part_of_the_way_to_its_aim(light: float, meter_aim: float) -> None:
    expected = light ** (1 - METER_TRUST) * (MIDDLE_GREY * meter_aim) ** METER_TRUST
    assert expected < 0.5  # below the curve's shoulder
    assert shown(light, meter_aim) == pytest.approx(float(to_display(np.array(expected))), abs=1e-4)
