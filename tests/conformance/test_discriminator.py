"""The discriminator against reference logits, R1 penalties and gradients, and its operations
against textbook forms."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from models.networks.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    blur,
    blur_kernel,
    build_discriminator,
)
from models.networks.discriminator import minibatch_stddev as stddev

GOLDEN = Path(__file__).parent / "goldens" / "stylegan2_d64"
TOLERANCE = 2e-5
SMALL = {"img_resolution": 16, "img_channels": 4, "channel_base": 128, "channel_max": 8}


@pytest.fixture(scope="module")
def network() -> Discriminator:
    network = build_discriminator(json.loads((GOLDEN / "kwargs.json").read_text()))
    network.load_reference_state(load_file(GOLDEN / "state.safetensors"))
    return network


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    return load_file(GOLDEN / "golden.safetensors")


def assert_close(
    actual: torch.Tensor, expected: torch.Tensor, atol: float = TOLERANCE, rtol: float = 0.0
) -> None:
    torch.testing.assert_close(actual, expected, atol=atol, rtol=rtol)


def test_logits(network: Discriminator, golden: dict[str, torch.Tensor]) -> None:
    assert not network.training
    assert_close(network(golden["x"]), golden["logits"])
    assert_close(torch.cat([network(x[None]) for x in golden["x"]]), golden["logits_single"])
    assert (golden["logits"] - golden["logits_single"]).abs().max() > 1e-3, (
        "the batch matters to the statistic"
    )


def test_block_outputs(network: Discriminator, golden: dict[str, torch.Tensor]) -> None:
    expected = json.loads((GOLDEN / "info.json").read_text())["block_outputs"]
    x = golden["x"]
    with torch.no_grad():
        for name, figures in expected.items():
            x = network.get_submodule(name)(x)
            assert list(x.shape) == figures["shape"]
            assert x.mean().item() == pytest.approx(figures["mean"], abs=TOLERANCE)
            assert x.std().item() == pytest.approx(figures["std"], abs=TOLERANCE)


def test_r1_and_its_gradients(network: Discriminator, golden: dict[str, torch.Tensor]) -> None:
    x = golden["x"].clone().requires_grad_()
    logits = network(x)
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    r1 = gradient.square().sum(dim=[1, 2, 3])
    assert_close(r1, golden["r1_penalty"], atol=0, rtol=1e-4)
    assert_close(gradient[:, :, 28:36, 28:36], golden["r1_grad_probe"], atol=1e-8, rtol=1e-4)
    names, parameters = zip(*network.named_parameters(), strict=True)
    gradients = torch.autograd.grad(F.softplus(-logits).mean() + 5 * r1.mean(), parameters)
    norms = {name: tensor.norm().item() for name, tensor in zip(names, gradients, strict=True)}
    assert norms == pytest.approx(
        json.loads((GOLDEN / "info.json").read_text())["grad_norms"], rel=1e-4
    )


@pytest.mark.parametrize("stride", [1, 2])
def test_blur_is_zero_padded_correlation(stride: int) -> None:
    x = torch.arange(2 * 3 * 6 * 6.0).reshape(2, 3, 6, 6)
    padded = F.pad(x, [2, 2, 2, 2])
    taps = [1 / 8, 3 / 8, 3 / 8, 1 / 8]
    expected = torch.zeros(2, 3, 7, 7)
    for i, a in enumerate(taps):
        for j, b in enumerate(taps):
            expected += a * b * padded[:, :, i : i + 7, j : j + 7]
    assert_close(
        blur(x, blur_kernel(), padding=2, stride=stride), expected[:, :, ::stride, ::stride]
    )


def test_stddev_groups_are_strided() -> None:
    x = torch.zeros(4, 2, 1, 1)
    x[:, 0, 0, 0] = torch.tensor(
        [0.0, 5.0, 2.0, 5.0]
    )  # groups of two: images 0 and 2, images 1 and 3
    x[:, 1, 0, 0] = torch.tensor([0.0, 0.0, 0.0, 4.0])
    eps = 1e-4  # sqrt(1e-8), for channels that do not vary
    expected = torch.tensor([(1 + eps) / 2, (eps + 2) / 2] * 2).reshape(4, 1, 1, 1)
    assert_close(stddev(x, 2, 1), expected, atol=1e-6)
    per_channel = torch.tensor([[1, eps], [eps, 2]]).repeat(2, 1).reshape(4, 2, 1, 1)
    assert_close(stddev(x, 2, 2), per_channel, atol=1e-6)


@pytest.mark.parametrize("n", [1, 3, 5, 6, 8])
def test_any_batch_size(n: int) -> None:
    logits = build_discriminator(SMALL)(torch.zeros(n, 4, 16, 16))
    assert logits.shape == (n, 1)
    assert logits.isfinite().all()


def test_strict_loading(network: Discriminator) -> None:
    state = load_file(GOLDEN / "state.safetensors")
    assert network.state_dict().keys() == state.keys()
    for name in ("b64.resample_filter", "b4.out.bias"):
        partial = {key: tensor for key, tensor in state.items() if key != name}
        with pytest.raises(RuntimeError, match=name):
            network.load_reference_state(partial)
    with pytest.raises(RuntimeError, match="b128"):
        network.load_reference_state({**state, "b128.conv0.weight": torch.zeros(1)})
    with pytest.raises(RuntimeError, match=r"b4\.fc\.weight"):
        network.load_reference_state({**state, "b4.fc.weight": torch.zeros(64, 1)})


def test_config_round_trip() -> None:
    config = DiscriminatorConfig.from_dict(
        {**SMALL, "epilogue_kwargs": {"mbstd_group_size": 2}, "conv_clamp": None}
    )
    assert (
        config.mbstd_group_size,
        config.conv_clamp,
        config.channels(16),
        config.channels(4),
    ) == (2, None, 8, 8)
    assert DiscriminatorConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"img_resolution": 48}, "power of two"),
        ({"img_resolution": 4}, "power of two"),
        ({"img_resolution": "64"}, "img_resolution must be an integer"),
        ({"c_dim": 10}, "c_dim must be 0"),
        ({"img_channels": 0}, "img_channels"),
        ({"channel_base": 8}, "channel_base"),
        ({"architecture": "skip"}, "unknown discriminator settings: architecture"),
        ({"epilogue_kwargs": {"noise": 1}}, "unknown discriminator settings: noise"),
        ({"epilogue_kwargs": {"mbstd_num_channels": 3}}, "mbstd_num_channels must divide 8"),
    ],
)
def test_invalid_configs_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build_discriminator({**SMALL, **change})


def test_wrong_image_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"takes images of shape \(4, 16, 16\), not \(3, 16, 16\)"):
        build_discriminator(SMALL)(torch.zeros(1, 3, 16, 16))
