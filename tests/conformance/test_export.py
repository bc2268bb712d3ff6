"""Networks leave for other programs, and come back equal."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.errors import CheckpointRejected
from models.networks.checkpoints.checkpoint import halved, save_checkpoint
from models.networks.checkpoints.export import export_onnx, export_program, export_safetensors
from models.networks.checkpoints.import_snapshot import import_file
from models.networks.checkpoints.load import load_generator, load_stylematte
from models.networks.stylematte.reference_names import infer_config

GOLDEN = Path(__file__).parent / "goldens" / "stylematte_tiny" / "state.safetensors"


@pytest.fixture(scope="module")
def stylematte(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stylematte") / "m.safetensors"
    state = load_file(GOLDEN)
    save_checkpoint(path, kind="stylematte", config=infer_config(state).to_dict(), state=state)
    return path


@pytest.fixture
def generator(snapshots, tmp_path) -> Path:
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


def test_onnx_gives_the_same_alpha(stylematte, tmp_path):
    out = tmp_path / "m.onnx"
    assert export_onnx(stylematte, out, 64) <= 1e-4
    import onnxruntime

    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert (given.name, given.shape) == ("image", [1, 3, 64, 64])
    images = torch.randn(1, 3, 64, 64)
    (alpha,) = session.run(None, {"image": images.numpy()})
    with torch.no_grad():
        expected = load_stylematte(stylematte)(images)
    assert (torch.from_numpy(alpha) - expected).abs().max() <= 1e-4
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_gives_the_same_picture(generator, tmp_path):
    assert export_program(generator, tmp_path / "g.pt") <= 1e-5
    program = torch.jit.load(str(tmp_path / "g.pt"))
    z = torch.randn(1, 4)
    with torch.no_grad():
        torch.testing.assert_close(program(z), load_generator(generator)(z), atol=1e-5, rtol=0)


def test_only_what_can_be_is_exported(stylematte, generator, tmp_path):
    with pytest.raises(CheckpointRejected, match="is no StyleMatte"):
        export_onnx(generator, tmp_path / "x", 64)
    with pytest.raises(CheckpointRejected, match="is no generator"):
        export_program(stylematte, tmp_path / "x")
    with pytest.raises(CheckpointRejected, match="models import"):
        export_safetensors(GOLDEN, tmp_path / "x")
