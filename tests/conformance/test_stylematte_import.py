"""Released StyleMatte files, with today's names and with older ones, are imported bit for bit."""

import json
import os
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from models.networks.checkpoints.checkpoint import load_checkpoint
from models.networks.checkpoints.import_snapshot import import_file
from models.networks.checkpoints.load import load_stylematte
from models.networks.stylematte.config import MattingConfig

GOLDEN = Path(__file__).parent / "goldens" / "stylematte_tiny"
TOLERANCE = 2e-5


OLD_NAMES = (
    (".swin.", "."),
    (".attention.q_proj.", ".attention.self.query."),
    (".attention.k_proj.", ".attention.self.key."),
    (".attention.v_proj.", ".attention.self.value."),
    (".attention.o_proj.", ".attention.output.dense."),
    (".attention.relative_position_bias.", ".attention.self."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
)


def stylematte_state() -> dict[str, torch.Tensor]:
    return load_file(GOLDEN / "state.safetensors")


def old_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state as transformers 4.26 would have written it."""
    old = {}
    for name, tensor in state.items():
        if ".swin.layernorm." in name:
            continue
        for new, before in OLD_NAMES:
            name = name.replace(new, before)
        old[name] = tensor
        if name.endswith("relative_position_bias_table"):
            old[name.replace("bias_table", "index")] = torch.zeros(16, 16, dtype=torch.int64)
    return old


def test_old_names_are_the_ones_of_the_release() -> None:
    block = "pixel_decoder.encoder.encoder.layers.2.blocks.0"
    names = old_names(stylematte_state()).keys()
    assert {
        "pixel_decoder.encoder.embeddings.patch_embeddings.projection.weight",
        "pixel_decoder.encoder.hidden_states_norms.stage4.bias",
        f"{block}.attention.self.query.weight",
        f"{block}.attention.self.relative_position_bias_table",
        f"{block}.attention.self.relative_position_index",
        f"{block}.attention.output.dense.bias",
        f"{block}.intermediate.dense.weight",
        f"{block}.output.dense.weight",
        "pixel_decoder.decoder.encoder.layers.0.self_attn.output_proj.weight",
    } <= names
    assert not any("swin" in name for name in names)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("old", [True, False])
def test_stylematte_files_are_imported_bit_for_bit(
    tmp_path: Path, old: bool, nested: bool, zipped: bool
) -> None:
    state = old_names(stylematte_state()) if old else stylematte_state()
    content = {"state_dict": state, "epoch": 3} if nested else state
    torch.save(content, tmp_path / "s.pth", _use_new_zipfile_serialization=zipped)
    summary = import_file(tmp_path / "s.pth", out=tmp_path / "m")
    checkpoint = load_checkpoint(tmp_path / "m", kind="stylematte")
    info = json.loads((GOLDEN / "info.json").read_text())
    assert MattingConfig.from_dict(checkpoint.config) == MattingConfig.from_reference(info)
    assert (summary.kind, summary.entry) == ("stylematte", None)
    assert checkpoint.state.keys() == stylematte_state().keys()
    for name, tensor in stylematte_state().items():
        if not (old and ".swin.layernorm." in name):
            assert torch.equal(checkpoint.state[name], tensor), name


def test_an_imported_stylematte_predicts_the_reference_alpha(tmp_path: Path) -> None:
    golden = load_file(GOLDEN / "golden.safetensors")
    torch.save(old_names(stylematte_state()), tmp_path / "s.pth")
    import_file(tmp_path / "s.pth", out=tmp_path / "m")
    matte = load_stylematte(tmp_path / "m")
    cases = [name for name in golden if name.startswith("image")]
    assert cases
    for name in cases:
        with torch.no_grad():
            alpha = matte(golden[name])
        torch.testing.assert_close(
            alpha, golden[name.replace("image", "alpha")], atol=TOLERANCE, rtol=0
        )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fpn.conv1x1.0.bias": torch.zeros(3)}, "misshaped: fpn.conv1x1.0.bias"),
        ({"fpn.conv1x1.0.bias": None}, "missing: fpn.conv1x1.0.bias"),
        ({"head.weight": torch.zeros(3)}, "unexpected: head.weight"),
        ({"conv.weight": None}, "it has no 'conv.weight'"),
        ({"conv.weight": 3}, "it has no 'conv.weight'"),
        ({"conv.weight": types.SimpleNamespace()}, "types.SimpleNamespace"),
    ],
)
def test_stylematte_files_that_do_not_fit_are_refused(
    snapshots: Any, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    state = {
        name: value for name, value in {**stylematte_state(), **change}.items() if value is not None
    }
    torch.save(state, tmp_path / "s.pth")
    snapshots.refused(tmp_path / "s.pth", reason)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_stylematte_files_is_refused_by_name(
    snapshots: Any, tmp_path: Path, zipped: bool
) -> None:
    marker = tmp_path / "marker"
    content = {"conv.weight": snapshots.call(os.system, f"touch {marker}")}
    torch.save(content, tmp_path / "s.pth", _use_new_zipfile_serialization=zipped)
    snapshots.refused(tmp_path / "s.pth", r"names posix\.system")
    assert not marker.exists()


def test_truncated_stylematte_files_are_refused(snapshots: Any, tmp_path: Path) -> None:
    torch.save(stylematte_state(), tmp_path / "s.pth")
    data = (tmp_path / "s.pth").read_bytes()
    (tmp_path / "s.pth").write_bytes(data[: len(data) // 2])
    snapshots.refused(tmp_path / "s.pth", r"s\.pth is no file of weights but .* ends early")
