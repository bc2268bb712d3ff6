"""The generator's gradients are the reference's, once it is known which activations each took for
positive.

Of the 27 million inputs of leaky relus a few are within rounding of 0; whether their slope is 1 or
0.2 depends on the order of a sum, and so on the processor, and each shifts grad.z by up to 6e-4. In
double precision there is no such doubt: there the reference turns out to have taken the other slope
at two places, or at one, and where the kernels took which is read from their records. With either
choice everything agrees to 2e-5.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from models.kernels.filtered_lrelu import cpu
from models.networks.stylegan3 import Generator, build_generator, ops, synthesis

GOLDENS = Path(__file__).parent / "goldens"
# Where the reference took the other slope: layer, sample, channel, row and column of the upsampled
# grid. Found by the shift of grad.z that each activation near 0 would make (one derivative along
# the missing gradient).
FLIPS = {
    "stylegan3_t64": [(0, 1, 27, 44, 37), (11, 0, 2, 99, 138)],
    "stylegan3_r64": [(12, 1, 10, 28, 36)],
}
ROUNDING = 2e-6  # of an activation in single precision, relative to its layer's rms
TOLERANCE = 2e-5

Positive = Callable[[int, torch.Tensor], torch.Tensor]  # layer and its activations' inputs -> bool


class Activations:
    """Stands in for the activation of `filtered_lrelu_torch`, layer after layer, and takes slopes
    as told."""

    def __init__(self, positive: Positive) -> None:
        self.positive = positive
        self.layer = -1

    def __call__(
        self, x: torch.Tensor, gain: float, slope: float, clamp: float | None
    ) -> torch.Tensor:
        self.layer += 1
        return x * torch.where(self.positive(self.layer, x), 1, slope)


class Case:
    def __init__(self, name: str) -> None:
        self.name, folder = name, GOLDENS / name
        self.golden, self.info = (
            load_file(folder / "golden.safetensors"),
            json.loads((folder / "info.json").read_text()),
        )
        self.generator: Generator = build_generator(
            json.loads((folder / "kwargs.json").read_text())
        )
        self.generator.load_reference_state(load_file(folder / "state.safetensors"))

    def backward(self) -> tuple[torch.Tensor, dict[str, float]]:
        """grad.z in the generator's precision, and the norms of the parameters' gradients."""
        dtype = self.generator.mapping.w_avg.dtype
        z = self.golden["z"].to(dtype, copy=True).requires_grad_()
        self.generator(z).backward(self.golden["grad.cotangent"].to(dtype))
        assert z.grad is not None
        return z.grad, {
            n: p.grad.norm().item()
            for n, p in self.generator.named_parameters()
            if p.grad is not None
        }


@pytest.fixture(params=list(FLIPS))
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


@pytest.fixture
def exactly(monkeypatch: pytest.MonkeyPatch) -> Callable[[Generator, Activations], None]:
    """Makes a generator compute in double precision, in plain torch, with these activations."""

    def change(generator: Generator, activations: Activations) -> None:
        generator.double().zero_grad()
        monkeypatch.setattr(synthesis, "filtered_lrelu", ops.filtered_lrelu_torch)
        monkeypatch.setattr(ops, "_activate", activations)

    return change


def test_kernels(
    case: Case, exactly: Callable[[Generator, Activations], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    signs: list[torch.Tensor] = []

    def record(*args: Any, **options: Any) -> torch.Tensor:
        y = cpu.filtered_lrelu(*args, **options)
        signs.append(_recorded_signs(y.grad_fn))
        return y

    monkeypatch.setattr(synthesis, "filtered_lrelu", record)
    gradient, norms = case.backward()
    assert len(signs) == 15
    exactly(
        case.generator,
        Activations(lambda layer, x: signs[layer][..., : x.shape[2], : x.shape[3]].view(x.shape)),
    )
    expected, expected_norms = case.backward()
    torch.testing.assert_close(gradient.double(), expected, rtol=0, atol=TOLERANCE)
    assert norms == pytest.approx(expected_norms, rel=1e-5)


def _recorded_signs(record: Any) -> torch.Tensor:
    """What a layer's kernel took for positive, [planes, rows, columns], some more than there
    are."""
    geometry, signs = record.plan.geometry, record.saved_tensors[2]
    words = signs.view(-1, geometry.grid_height, geometry.phases, geometry.wide_stride // 16, 2, 2)[
        ..., 0, :, None
    ]
    bits = (
        words.bitwise_and(2 ** torch.arange(8, dtype=torch.uint8)) != 0
    )  # [planes, rows, phases, words, 2, 8]
    return bits.flatten(3).transpose(2, 3).flatten(2)


def test_reference(case: Case, exactly: Callable[[Generator, Activations], None]) -> None:
    flips = FLIPS[case.name]

    def positive(layer: int, x: torch.Tensor) -> torch.Tensor:
        chosen = x > 0
        for flipped, *place in flips:
            if flipped == layer:
                assert x[*place].abs() < ROUNDING * x.square().mean().sqrt()
                chosen[*place].logical_not_()
        return chosen

    exactly(case.generator, Activations(positive))
    gradient, norms = case.backward()
    torch.testing.assert_close(gradient.float(), case.golden["grad.z"], rtol=0, atol=TOLERANCE)
    assert norms == pytest.approx(case.info["grad_norms"], rel=1e-4)
