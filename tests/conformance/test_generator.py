"""The generator reproduces the reference's tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from models.networks.stylegan3 import Generator, build_generator, layer_schedule, ops, synthesis

GOLDENS = Path(__file__).parent / "goldens"
TOLERANCE = 2e-5


class Case:
    def __init__(self, name: str) -> None:
        folder = GOLDENS / name
        self.kwargs: dict[str, Any] = json.loads((folder / "kwargs.json").read_text())
        self.info: dict[str, Any] = json.loads((folder / "info.json").read_text())
        self.state = load_file(folder / "state.safetensors")
        self.golden = load_file(folder / "golden.safetensors")

    def generator(self) -> Generator:
        generator = build_generator(self.kwargs)
        generator.load_reference_state(self.state)
        return generator


@pytest.fixture(scope="module", params=["stylegan3_t64", "stylegan3_r64"])
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


def assert_near(actual: torch.Tensor, expected: torch.Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


def test_schedule(case: Case) -> None:
    for spec, expected in zip(
        layer_schedule(build_generator(case.kwargs).config), case.info["layers"], strict=True
    ):
        for key, value in expected.items():
            if key == "padding":
                assert spec.padding == tuple(value)
            elif key != "magnitude_ema":
                assert getattr(spec, key) == pytest.approx(value), (spec.name, key)


def test_fresh_filters_and_names_are_the_reference_s(case: Case) -> None:
    fresh = build_generator(case.kwargs).state_dict()
    assert set(fresh) == set(case.state)
    assert {name: value.shape for name, value in fresh.items()} == {
        k: v.shape for k, v in case.state.items()
    }
    filters = [name for name in fresh if name.endswith("_filter")]
    assert len(filters) == 28
    for name in filters:
        assert_near(fresh[name], case.state[name], 1e-7)


def test_parameter_count(case: Case) -> None:
    assert sum(p.numel() for p in build_generator(case.kwargs).parameters()) == case.info["params"]


@torch.no_grad()
def test_mapping(case: Case) -> None:
    mapping, z = case.generator().mapping, case.golden["z"]
    assert_near(mapping(z, None, truncation_psi=0.7), case.golden["ws"])
    assert_near(mapping(z), case.golden["ws_psi1"])
    assert_near(
        mapping(z, truncation_psi=0.7, truncation_cutoff=8), case.golden["ws_psi07_cutoff8"]
    )


@torch.no_grad()
def test_image_and_every_layer(case: Case) -> None:
    generator = case.generator()
    outputs: dict[str, torch.Tensor] = {}
    for name, module in generator.synthesis.named_children():
        module.register_forward_hook(lambda _m, _i, out, name=name: outputs.__setitem__(name, out))
    image = generator.synthesis(case.golden["ws"])
    probes = [name for name in case.golden if name.startswith("probe")]
    assert len(probes) == 2 * len(outputs) == 32
    for name in probes:
        kind, layer = name.split(".")
        out = outputs[layer]
        middle = out.shape[-1] // 2
        centre = out[:, :4, middle - 4 : middle + 4, middle - 4 : middle + 4]
        assert_near(centre if kind == "probe" else out[:, :2, :6, :6], case.golden[name])
    for name, expected in case.info["layer_outputs"].items():
        assert list(outputs[name].shape) == expected["shape"]
        assert outputs[name].mean().item() == pytest.approx(expected["mean"], abs=1e-5)
        assert outputs[name].std().item() == pytest.approx(expected["std"], rel=1e-4)
    assert_near(image, case.golden["image"])


@torch.no_grad()
def test_image_by_the_torch_path(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "filtered_lrelu", ops.filtered_lrelu_torch)
    assert_near(case.generator().synthesis(case.golden["ws"]), case.golden["image"])


@torch.no_grad()
@pytest.mark.parametrize(
    ("transform", "image"),
    [("transform", "image_transformed"), ("transform_scale", "image_scaled")],
)
def test_transforms(case: Case, transform: str, image: str) -> None:
    generator, expected = case.generator(), case.golden[image]
    generator.set_input_transform(case.golden[transform])
    assert torch.equal(generator.synthesis.input.transform, case.golden[transform])
    assert_near(generator.synthesis(case.golden["ws"][: len(expected)]), expected)


@torch.no_grad()
def test_moving_averages(case: Case) -> None:
    generator = case.generator()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    generator(case.golden["ema.z"], update_emas=True)
    after = generator.state_dict()
    assert_near(after["mapping.w_avg"], case.golden["ema.w_avg_after"])
    magnitudes = [
        after[f"synthesis.{name}.magnitude_ema"] for name in generator.synthesis.layer_names
    ]
    assert_near(torch.stack(magnitudes), case.golden["ema.magnitude_after"])
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"mapping.w_avg"} | {name for name in after if name.endswith("magnitude_ema")}
