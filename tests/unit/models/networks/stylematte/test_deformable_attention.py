"""The fast deformable attention against transformers' own: values, gradients, threads, and what it
refuses."""

import numpy as np
import pytest
import torch
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention,
)

from models.networks.stylematte import StyleMatte, preset
from models.networks.stylematte.deformable_attention import (
    DeformableAttention,
    sample_torch,
    sample_values,
)

CASES = {
    "tiny at 128 px": (3, [(4, 4), (8, 8), (16, 16)], 4, 16),
    "swin-t's heads": (1, [(6, 6), (12, 12), (24, 24)], 8, 32),
    "odd sizes, eight channels": (2, [(1, 5), (3, 10), (11, 20)], 2, 8),
    "twenty-four channels": (1, [(2, 3), (5, 4), (7, 9)], 1, 24),
}


def case(images, shapes, heads, channels, points=4, spread=3.0):
    rng = torch.Generator().manual_seed(5)
    positions, levels = sum(height * width for height, width in shapes), len(shapes)
    value = torch.randn(images, positions, heads, channels, generator=rng)
    centres = torch.rand(images, positions, levels, 2, generator=rng)
    offsets = torch.randn(images, positions, heads, levels, points, 2, generator=rng) * spread
    weights = torch.randn(images, positions, heads, levels * points, generator=rng).softmax(-1)
    return value, shapes, centres, offsets, weights.view(images, positions, heads, levels, points)


def value_and_gradients(operation, value, shapes, centres, offsets, weights):
    inputs = [t.clone().requires_grad_() for t in (value, offsets, weights)]
    out = operation(inputs[0], shapes, centres, inputs[1], inputs[2])
    slope = torch.randn(out.shape, generator=torch.Generator().manual_seed(6))
    return [out.detach(), *torch.autograd.grad((out * slope).sum(), inputs)]


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_the_oracle(name):
    arguments = case(*CASES[name])
    for ours, theirs in zip(
        value_and_gradients(sample_values, *arguments),
        value_and_gradients(sample_torch, *arguments),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))


def test_samples_far_outside_are_zero():
    value, shapes, centres, offsets, weights = case(*CASES["tiny at 128 px"])
    offsets = offsets.fill_(1e4)
    out, value_gradient, *_ = value_and_gradients(
        sample_values, value, shapes, centres, offsets, weights
    )
    assert not out.any()
    assert not value_gradient.any()


def test_the_number_of_threads_changes_no_bit():
    arguments = case(*CASES["swin-t's heads"])
    threads = torch.get_num_threads()
    try:
        runs = []
        for count in (1, 3):
            torch.set_num_threads(count)
            runs.append(value_and_gradients(sample_values, *arguments))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, three) for one, three in zip(*runs, strict=True))


def test_other_types_and_widths_take_the_oracle():
    value, shapes, centres, offsets, weights = case(1, [(2, 2), (3, 3), (4, 4)], 2, 5)
    assert sample_values(value, shapes, centres, offsets, weights).shape == (1, 29, 10)
    doubles = [t.double() for t in (value, centres, offsets, weights)]
    assert sample_values(doubles[0], shapes, *doubles[1:]).dtype == torch.float64


def test_levels_that_do_not_add_up_are_refused():
    value, shapes, *rest = case(*CASES["tiny at 128 px"])
    with pytest.raises(ValueError, match="have 328 positions, the values 336"):
        sample_values(value, [(2, 4), *shapes[1:]], *rest)


def test_stylematte_is_the_same_network_with_it(monkeypatch):
    torch.manual_seed(0)
    matte = StyleMatte(preset("tiny")).eval()
    image = torch.randn(1, 3, 96, 64)
    with torch.inference_mode():
        ours = matte(image)
        monkeypatch.setattr(
            DeformableAttention,
            "forward",
            Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention.forward,
        )
        theirs = matte(image)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-5)
