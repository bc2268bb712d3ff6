"""Networks leave for other programs, and come back equal."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from core.errors import CheckpointRejected
from models import shipped_bundle
from models.metrics.evaluate import read_pairs_of
from models.networks.checkpoints.checkpoint import halved, save_checkpoint
from models.networks.checkpoints.export import export_program, export_safetensors, replaced
from models.networks.checkpoints.import_snapshot import import_file
from models.networks.checkpoints.load import load_generator, load_stylematte
from models.networks.checkpoints.onnx_file import _filter_in_double, export_onnx
from models.networks.stylematte import build_stylematte, network, predict_alpha, preset
from models.networks.stylematte.network import normalised
from models.networks.stylematte.reference_names import infer_config

GOLDEN = Path(__file__).parent / "goldens" / "stylematte_tiny" / "state.safetensors"


PORTRAITS = Path(__file__).parents[1] / "data" / "portraits-000000.tar"


@pytest.fixture(scope="module")
def stylematte(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stylematte") / "m.safetensors"
    state = load_file(GOLDEN)
    save_checkpoint(path, kind="stylematte", config=infer_config(state).to_dict(), state=state)
    return path


@pytest.fixture
def generator(snapshots: Any, tmp_path: Path) -> Path:
    path = tmp_path / "g.safetensors"
    import_file(snapshots.write(tmp_path / "s.pkl"), out=path)
    return path


def test_a_stylematte_comes_back_with_equal_alphas(stylematte, tmp_path):
    count = export_safetensors(stylematte, tmp_path / "e.safetensors")
    plain = load_file(tmp_path / "e.safetensors")
    assert (len(plain), plain.keys()) == (count, load_file(GOLDEN).keys())
    assert all(x.dtype != torch.float16 for x in plain.values())
    import_file(tmp_path / "e.safetensors", out=tmp_path / "again")
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        first, again = (load_stylematte(p)(image) for p in (stylematte, tmp_path / "again"))
    assert torch.equal(first, again)


def test_a_generator_comes_back_with_equal_pictures_from_half_precision_too(generator, tmp_path):
    made = load_generator(generator)
    save_checkpoint(
        tmp_path / "half",
        kind="stylemattegan-generator",
        config=made.config.to_dict(),
        state=halved(made.state_dict()),
    )
    export_safetensors(tmp_path / "half", tmp_path / "e")
    import_file(tmp_path / "e", out=tmp_path / "again")
    z = torch.randn(2, made.config.z_dim)
    with torch.no_grad():
        assert torch.equal(
            load_generator(tmp_path / "half")(z), load_generator(tmp_path / "again")(z)
        )


@pytest.mark.parametrize("window", [4, 7])
def test_onnx_gives_the_same_alpha_at_any_size(stylematte, tmp_path, window):
    if window == 7:  # of the paper's backbone, freshly initialised
        torch.manual_seed(0)
        config = replace(preset("micro"), window_size=window)
        stylematte = tmp_path / "seven"
        state = build_stylematte(config).state_dict()
        save_checkpoint(stylematte, kind="stylematte", config=config.to_dict(), state=state)
    out = tmp_path / "o" / "m.onnx"
    assert export_onnx(stylematte, out) <= 1e-4
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("image", ["batch", 3, "height", "width"])
    assert (made.name, made.shape) == ("alpha", ["batch", 1, "height", "width"])
    matte = load_stylematte(stylematte)
    for shape in (
        (1, 3, 64, 64),
        (3, 3, 96, 224),
        (2, 3, 131, 77),
        (1, 3, 40, 300),
        (2, 3, 32, 64),
    ):
        images = torch.randn(shape)
        (alpha,) = session.run(None, {"image": images.numpy()})
        with torch.no_grad():
            expected = matte(images)
        assert expected.std() > 0.001
        assert (torch.from_numpy(alpha) - expected).abs().max() <= 1e-4
    assert list(out.parent.iterdir()) == [out]


def test_rembg_takes_the_onnx_as_its_custom_model(stylematte, tmp_path):
    """Called as by rembg's u2net_custom: the first input whatever its name, one picture of 320 px
    over its maximum, normalised by ImageNet's figures; of the first output, channel 0."""
    export_onnx(stylematte, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    pixels = np.random.default_rng(0).integers(0, 256, (320, 320, 3), dtype=np.uint8)
    unit = pixels / pixels.max()
    batch = ((unit - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)).transpose(2, 0, 1)[None]
    outputs = session.run(None, {session.get_inputs()[0].name: batch.astype(np.float32)})
    found = outputs[0][:, 0, :, :]
    rgb_pm1 = torch.from_numpy(unit * 2 - 1).float().permute(2, 0, 1)[None]
    with torch.no_grad():
        expected = predict_alpha(load_stylematte(stylematte), rgb_pm1)
    assert np.abs(found - expected[:, 0].numpy()).max() <= 1e-4


def test_onnx_of_the_shipped_network_is_right_where_pictures_are_flat(tmp_path):
    """Its filter in float32 amplifies rounding there; in float64 it shows what is right."""
    checkpoint = shipped_bundle() / "stylematte.safetensors"
    assert export_onnx(checkpoint, tmp_path / "m.onnx") <= 1e-4
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    matte = load_stylematte(checkpoint)
    _, image, _ = next(read_pairs_of([PORTRAITS]))
    for size in ((128, 128), (224, 352), (300, 180)):
        rgb_pm1 = torch.from_numpy(image).permute(2, 0, 1)[None]
        given = normalised(F.interpolate(rgb_pm1, size=size, mode="bilinear"))
        (alpha,) = session.run(None, {"image": given.numpy()})
        with torch.no_grad(), replaced((network, "fast_guided_filter", _filter_in_double)):
            expected = matte(given)
        assert (torch.from_numpy(alpha) - expected).abs().max() <= 1e-4


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_gives_the_same_picture(generator, tmp_path):
    assert export_program(generator, tmp_path / "g.pt") <= 1e-5
    program = torch.jit.load(str(tmp_path / "g.pt"))
    z = torch.randn(1, 4)
    with torch.no_grad():
        torch.testing.assert_close(program(z), load_generator(generator)(z), atol=1e-5, rtol=0)


def test_only_what_can_be_is_exported(stylematte, generator, tmp_path):
    with pytest.raises(CheckpointRejected, match="is no StyleMatte"):
        export_onnx(generator, tmp_path / "x")
    with pytest.raises(CheckpointRejected, match="is no generator"):
        export_program(stylematte, tmp_path / "x")
    with pytest.raises(CheckpointRejected, match="models import"):
        export_safetensors(GOLDEN, tmp_path / "x")
