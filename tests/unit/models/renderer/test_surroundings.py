"""Panoramas: what is around the person, and that it agrees with the lamps."""

from dataclasses import replace

import numpy as np
import pytest

from matteforge.schemas.people import PEOPLE
from models.renderer.mesh.geometry import Array
from models.renderer.scene import light
from models.renderer.scene.scene import World
from models.renderer.scene.sphere import directions, towards
from models.renderer.scene.surroundings import KINDS, LUMA, Surroundings, panorama

ROWS = 96
KEY = (0.9, 0.4)
SEEN = directions(ROWS)


def painted(
    kind: str, seed: int = 1, key: tuple[float, float] = KEY, strength: float = 0.4
) -> Array:
    around = Surroundings(kind=kind, seed=seed, strength=strength, rgb=(1.0, 1.0, 1.0))
    return panorama(around, [key, (-0.7, 0.2)], ROWS)


def test_directions_are_unit_vectors_with_the_camera_in_the_middle() -> None:
    np.testing.assert_allclose(np.linalg.norm(SEEN, axis=2), 1)
    assert SEEN[ROWS // 2, ROWS] @ towards((0.0, 0.0)) > 0.999
    assert SEEN[0, :, 2].min() > 0.99
    assert SEEN[ROWS // 2, ROWS // 2] @ towards((np.pi / 2, 0.0)) > 0.999


@pytest.mark.parametrize("kind", KINDS)
def test_a_panorama_follows_from_its_seed_and_has_the_strength_it_is_given(kind: str) -> None:
    picture = painted(kind)
    assert picture.shape == (ROWS, 2 * ROWS, 3)
    assert picture.dtype == np.float32
    assert np.isfinite(picture).all()
    assert picture.min() >= 0
    weight = np.cos((0.5 - (np.arange(ROWS) + 0.5) / ROWS) * np.pi)
    assert np.average((picture @ LUMA).mean(axis=1), weights=weight) == pytest.approx(0.4, rel=1e-4)
    np.testing.assert_array_equal(picture, painted(kind))
    assert np.abs(picture - painted(kind, seed=2)).mean() > 0.01
    np.testing.assert_allclose(painted(kind, strength=0.8), 2 * picture, rtol=1e-5)


@pytest.mark.parametrize("kind", ["room", "studio", "clear", "night_room"])
@pytest.mark.parametrize("azimuth", [-2.5, -0.8, 0.0, 1.2])
def test_what_shines_lies_where_the_key_light_is(kind: str, azimuth: float) -> None:
    for seed in range(3):
        luminance = painted(kind, seed, (azimuth, 0.3)) @ LUMA
        towards_key = SEEN @ towards((azimuth, 0.3)) > np.cos(0.35)
        opposite = SEEN @ towards((azimuth + np.pi, 0.3)) > np.cos(0.35)
        assert luminance[towards_key].mean() > 1.5 * luminance[opposite].mean(), seed


def test_an_overcast_sky_is_brighter_above_and_land_is_dark() -> None:
    for seed in range(5):
        luminance = painted("clouds", seed) @ LUMA
        above, level, below = (
            SEEN[..., 2] > 0.9,
            np.abs(SEEN[..., 2] - 0.55) < 0.05,
            SEEN[..., 2] < -0.5,
        )
        assert luminance[above].mean() > 1.05 * luminance[level].mean() > luminance[below].mean(), (
            seed
        )


@pytest.mark.parametrize("label", PEOPLE.values["light"])
def test_each_lighting_has_surroundings_and_a_key_light_of_its_own(label: str) -> None:
    drawn = [light.draw(np.random.default_rng(seed), {"light": label}) for seed in range(12)]
    assert all(spec.surroundings.kind in KINDS and spec.lamps for spec in drawn)
    assert len({spec.surroundings.seed for spec in drawn}) == len(drawn)


def test_the_middle_of_the_panorama_lies_towards_the_camera() -> None:
    spec = light.draw(np.random.default_rng(0), {"light": "window"})
    axes = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]])  # right, up, forward
    world = light.world(spec, axes)
    assert isinstance(world, World)
    assert world.towards == (0.0, 0.0, 1.0)
    lamp = spec.lamps[0]
    expected = panorama(spec.surroundings, [(lamp.azimuth_rad, lamp.elevation_rad)])
    np.testing.assert_array_equal(world.panorama, expected)
    (made,) = light.lamps(replace(spec, lamps=(lamp,)), axes, np.zeros(3))
    x, y, z = np.array(made.position) / np.linalg.norm(made.position)
    np.testing.assert_allclose(
        [z, x, y], towards((lamp.azimuth_rad, lamp.elevation_rad)), atol=1e-9
    )
