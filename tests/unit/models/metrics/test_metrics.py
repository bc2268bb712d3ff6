"""Matting measures on alphas whose values follow by hand."""

import numpy as np
import pytest

from models.metrics import matting


def alphas(value: float = 0.0, shape: tuple[int, ...] = (1, 10, 20)) -> np.ndarray:
    return np.full(shape, value, np.float32)


def test_equal_alphas_have_no_error():
    true = np.random.default_rng(0).random((3, 32, 24)).astype(np.float32)
    for name, values in matting.full_metrics(true, true).items():
        assert values.shape == (3,)
        np.testing.assert_allclose(values, 1 if name == "iou" else 0, atol=1e-12)


def test_constant_difference():
    predicted, true = alphas(0.75), alphas(0.5)
    assert matting.mad(predicted, true) == pytest.approx([0.25])
    assert matting.mse(predicted, true) == pytest.approx([0.0625])
    assert matting.sad(predicted, true) == pytest.approx([0.25 * 200 / 1000])
    assert matting.grad(predicted, true) == pytest.approx([0], abs=1e-9)


def test_each_image_has_its_own_value_and_where_limits_the_pixels():
    predicted, true, where = (
        alphas(0.0, (2, 4, 4)),
        alphas(0.0, (2, 4, 4)),
        np.zeros((2, 4, 4), bool),
    )
    predicted[1, 0, 0], where[1, 0, :2] = 1, True
    assert matting.mad(predicted, true).tolist() == [0, 1 / 16]
    assert matting.mad(predicted, true, where).tolist() == [0, 0.5]
    assert matting.sad(predicted, true, where).tolist() == [0, 1 / 1000]


def test_iou_counts_pixels_above_one_half():
    predicted, true = alphas(), alphas()
    predicted[:, :, :10], true[:, :, 5:15] = 0.9, 0.6
    assert matting.iou(predicted, true) == pytest.approx([1 / 3])
    assert matting.iou(alphas(), alphas()) == pytest.approx([1])
    assert matting.iou(alphas(1), alphas()) == pytest.approx([0])


def test_gradient_of_a_lone_pixel():
    lone, ramp = alphas(), np.broadcast_to(np.arange(40, dtype=np.float32) / 40, (1, 30, 40))
    lone[0, 5, 9] = 1
    # Kernels have unit energy: an impulse answers with 1 along each axis.
    assert matting.grad(lone, alphas()) == pytest.approx([2 / 10], rel=1e-5)
    assert matting.grad(lone / 2, alphas()) == pytest.approx([2 / 40], rel=1e-5)
    np.testing.assert_allclose(
        np.diff(matting.gradient_magnitude(ramp)[0, :, 8:32], axis=1), 0, atol=1e-6
    )


def test_connectivity_charges_what_is_cut_off():
    true, predicted = alphas(0, (1, 10, 10)), alphas(0, (1, 10, 10))
    true[0, 2:8, 2:5] = predicted[0, 2:8, 2:5] = 1
    predicted[0, 5, 8] = 1
    # The lone pixel never joins the largest region: level 0, so its connectedness is 1 in `true`
    # and 0 in `predicted`.
    assert matting.conn(predicted, true) == pytest.approx([1 / 1000])
    predicted[0, 5, 8] = 0.1
    assert matting.conn(predicted, true) == pytest.approx([0])


def test_unknown_band_surrounds_edges_and_soft_pixels():
    alpha = alphas(0, (1, 12, 12))
    alpha[0, :, 6:] = 1
    columns = np.flatnonzero(matting.unknown_band(alpha, 2)[0].any(0))
    assert columns.tolist() == [4, 5, 6, 7]
    alpha[0, 2, 1] = 0.5
    assert matting.unknown_band(alpha, 1)[0, 1:4, 0:3].all()


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\[n, h, w\]"):
        matting.mad(alphas(shape=(1, 4, 4)), alphas(shape=(1, 4, 5)))
