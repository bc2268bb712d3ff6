"""A camera that is raised until heads, hair and hats are in the picture."""

from dataclasses import replace

import numpy as np
import pytest

from models.renderer.scene.scene import Camera

CAMERA = Camera(
    position=(1.0, 2.0, 20.0),
    target=(0.0, 1.5, 0.0),
    roll_rad=0.05,
    focal_mm=80.0,
    focus_dm=20.0,
    aperture_dm=0.1,
)


def test_a_point_above_the_picture_comes_to_lie_at_the_margin() -> None:
    tall = np.array([[0.0, 9.0, 0.3], [0.5, 3.0, 0.0]])
    assert CAMERA.project(tall, 256)[:, 1].min() < 0
    raised = CAMERA.raised(tall, 0.03)
    assert raised.project(tall, 256)[:, 1].min() == pytest.approx(0.03 * 256, abs=1e-6)
    np.testing.assert_allclose(raised.axes(), CAMERA.axes(), atol=1e-12)
    assert replace(raised, position=CAMERA.position, target=CAMERA.target) == CAMERA


def test_a_camera_that_sees_everything_stays() -> None:
    assert CAMERA.raised(np.array([[0.0, 2.0, 0.0]]), 0.03) == CAMERA


def test_stray_points_are_left_outside() -> None:
    hair = np.concatenate([np.tile([[0.0, 8.0, 0.0]], (999, 1)), [[0.0, 30.0, 0.0]]])
    raised = CAMERA.raised(hair, 0.03, beyond=0.01)
    y = raised.project(hair, 1)[:, 1]
    assert y[0] == pytest.approx(0.03, abs=1e-9)
    assert y[-1] < 0
