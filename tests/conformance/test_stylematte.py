"""StyleMatte against the reference network's outputs."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.networks.stylematte import MattingConfig, StyleMatte, build_stylematte, preset

GOLDEN = Path(__file__).parent / "goldens" / "stylematte_tiny"
TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    return load_file(GOLDEN / "golden.safetensors")


@pytest.fixture(scope="module")
def matte() -> StyleMatte:
    network = build_stylematte(json.loads((GOLDEN / "info.json").read_text()))
    network.load_reference_state(load_file(GOLDEN / "state.safetensors"))
    return network


@pytest.mark.parametrize("shape", ["", "_nonsquare", "_100x132"])
def test_alpha_equals_the_reference(matte, golden, shape):
    with torch.no_grad():
        alpha = matte(golden[f"image{shape}"])
    torch.testing.assert_close(alpha, golden[f"alpha{shape}"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["micro", "tiny"])
def test_one_small_picture_alone_gets_an_alpha(name):
    with torch.no_grad():
        assert StyleMatte(preset(name)).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 1, 32, 32)


def test_every_stage_equals_the_reference(matte, golden):
    with torch.no_grad():
        maps = matte.pixel_decoder.encoder(golden["image"]).feature_maps
        pyramid = matte.pixel_decoder(golden["image"])
        fused = matte.fpn(pyramid)
    found = {f"backbone.{i}": m for i, m in enumerate(maps)}
    found |= {f"decoder_hidden.{i}": m for i, m in enumerate(pyramid[:3])}
    found |= {"decoder_last": pyramid[3], "fpn_probe": fused, "lowres_logit": matte.conv(fused)}
    for name, value in found.items():
        torch.testing.assert_close(
            value[:, :8], golden[name], rtol=0, atol=TOLERANCE, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_a_state_that_does_not_fit_is_refused(matte):
    state = matte.state_dict()
    for wrong in (
        {name: tensor for name, tensor in state.items() if name != "conv.bias"},
        state | {"conv.extra": torch.zeros(1)},
        state | {"conv.bias": torch.zeros(2)},
    ):
        with pytest.raises(RuntimeError, match=r"conv\."):
            build_stylematte(matte.config).load_reference_state(wrong)


def test_the_papers_network_has_the_papers_size():
    with torch.device("meta"):
        network = StyleMatte(preset("swin-t"))
    assert sum(parameter.numel() for parameter in network.parameters()) == 34_913_659


@pytest.mark.parametrize("size", [(33, 47), (64, 64), (130, 70)])
def test_any_size_goes_in_and_comes_out(matte, size):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        alpha = matte(torch.randn(2, 3, *size, generator=generator))
    assert alpha.shape == (2, 1, *size)
    assert 0 <= alpha.min() < alpha.max() <= 1


def test_config_survives_json_and_refuses_unknown_keys():
    config = preset("tiny")
    stored = json.loads(json.dumps(config.to_dict()))
    assert MattingConfig.from_dict(stored) == config
    with pytest.raises(ValueError, match="colour"):
        MattingConfig.from_dict(stored | {"colour": 1})
    with pytest.raises(ValueError, match="swin-xl"):
        preset("swin-xl")


@pytest.mark.slow
@torch.no_grad()
def test_the_paper_s_size_runs_at_1024() -> None:
    alpha = build_stylematte(preset("swin-t"))(torch.randn(1, 3, 1024, 1024))
    assert alpha.shape == (1, 1, 1024, 1024)
    assert alpha.isfinite().all()
    assert 0 <= alpha.min() <= alpha.max() <= 1
