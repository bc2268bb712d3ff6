"""Reference snapshots are imported bit for bit; those that do not fit their config are refused by
reason."""

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from models.networks.checkpoints.checkpoint import digest, load_checkpoint
from models.networks.checkpoints.import_snapshot import import_file
from models.networks.checkpoints.load import load_discriminator, load_generator
from models.networks.discriminator import build_discriminator
from models.networks.stylegan3 import GeneratorConfig

GOLDENS = Path(__file__).parent / "goldens"
SNAPSHOT = GOLDENS / "stylegan3_t64" / "snapshot.pkl"
TOLERANCE = 2e-5
SMALL_D = {"c_dim": 0, "img_resolution": 8, "img_channels": 4, "channel_base": 64, "channel_max": 8}


def test_the_reference_snapshot_is_imported_bit_for_bit(tmp_path: Path) -> None:
    out = tmp_path / "g.safetensors"
    summary = import_file(SNAPSHOT, out=out)
    checkpoint = load_checkpoint(out, kind="stylemattegan-generator")
    expected = load_file(GOLDENS / "stylegan3_t64" / "state.safetensors")
    assert checkpoint.state.keys() == expected.keys()
    for name, tensor in expected.items():
        assert checkpoint.state[name].dtype == tensor.dtype
        assert torch.equal(checkpoint.state[name], tensor), name
    kwargs = json.loads((GOLDENS / "stylegan3_t64" / "kwargs.json").read_text())
    assert GeneratorConfig.from_dict(checkpoint.config) == GeneratorConfig.from_dict(kwargs)
    assert checkpoint.extra == {
        "imported": {"file": "snapshot.pkl", "sha256": digest(SNAPSHOT), "entry": "G_ema"}
    }
    assert (summary.kind, summary.entry, summary.tensors) == (
        "stylemattegan-generator",
        "G_ema",
        len(expected),
    )
    assert (summary.config, summary.sha256) == (checkpoint.config, digest(out))


def test_an_imported_generator_makes_the_reference_image(tmp_path: Path) -> None:
    golden = load_file(GOLDENS / "stylegan3_t64" / "golden.safetensors")
    import_file(SNAPSHOT, out=tmp_path / "g.safetensors")
    with torch.no_grad():
        image = load_generator(tmp_path / "g.safetensors").synthesis(golden["ws"])
    torch.testing.assert_close(image, golden["image"], atol=TOLERANCE, rtol=0)


def test_other_entries_are_imported_on_request(snapshots: Any, tmp_path: Path) -> None:
    summaries = {
        entry: import_file(SNAPSHOT, entry=entry, out=tmp_path / entry)
        for entry in ("G", "G_ema", "D")
    }
    assert summaries["G"].elements < summaries["G_ema"].elements
    assert summaries["D"].kind == "stylemattegan-discriminator"
    assert load_discriminator(tmp_path / "D")(torch.zeros(2, 4, 64, 64)).shape == (2, 1)
    snapshots.refused(SNAPSHOT, "NoneType where torch_utils", entry="augment_pipe")
    snapshots.refused(SNAPSHOT, r"no entry 'X'.*'G_ema'", entry="X")


def test_dtypes_are_kept(snapshots: Any, tmp_path: Path) -> None:
    state = {
        name: tensor.half() for name, tensor in snapshots.state().items() if tensor.numel() > 40
    }
    import_file(snapshots.write(tmp_path / "s", state=state), out=tmp_path / "g")
    read = load_checkpoint(tmp_path / "g", kind="stylemattegan-generator").state
    assert {name for name, tensor in read.items() if tensor.dtype == torch.float16} == state.keys()
    assert all(
        torch.equal(read[name], tensor) for name, tensor in (snapshots.state() | state).items()
    )
    assert load_generator(tmp_path / "g").mapping.fc0.weight.dtype == torch.float32


def test_views_of_a_storage_are_imported_as_seen(snapshots: Any, tmp_path: Path) -> None:
    name = "mapping.fc0.weight"
    part = torch.arange(64.0).reshape(8, 8)[2:6, 1:5].t()
    import_file(snapshots.write(tmp_path / "s", state={name: part}), out=tmp_path / "g")
    assert torch.equal(
        load_checkpoint(tmp_path / "g", kind="stylemattegan-generator").state[name], part
    )


def test_settings_of_reference_discriminators(snapshots: Any, tmp_path: Path) -> None:
    neutral = {
        "block_kwargs": {"freeze_layers": 0},
        "mapping_kwargs": {},
        "epilogue_kwargs": {"mbstd_group_size": 2},
    }
    state = build_discriminator(SMALL_D).state_dict()
    blurs = frozenset({"resample_filter"})
    path = snapshots.write(
        tmp_path / "s", D=snapshots.module("Discriminator", state, {**SMALL_D, **neutral}, blurs)
    )
    assert (
        import_file(path, entry="D", out=tmp_path / "d").config["epilogue_kwargs"][
            "mbstd_group_size"
        ]
        == 2
    )
    path = snapshots.write(
        tmp_path / "s",
        D=snapshots.module("Discriminator", state, {**SMALL_D, "architecture": "skip"}, blurs),
    )
    snapshots.refused(path, "unknown discriminator settings: architecture", entry="D")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": {"mapping.fc0.bias": torch.zeros(5)}}, "misshaped: mapping.fc0.bias$"),
        ({"state": {"mapping.fc0.bias": None}}, "missing: mapping.fc0.bias$"),
        ({"state": {"mapping.fc9.bias": torch.zeros(4)}}, "unexpected: mapping.fc9.bias$"),
        ({"kwargs": {"img_resolution": 48}}, "power of two"),
        ({"kwargs": {"img_resolution": "32"}}, "config is not one of ours"),
        (
            {"kwargs": {"channel_base": 1 << 40, "channel_max": 1 << 30}},
            "config is not one of ours",
        ),
        ({"kwargs": {"channel_base": 1 << 20, "channel_max": 1 << 20}}, "misshaped"),
        ({"kwargs": {"noise": 1}}, "noise"),
        ({"kwargs": {"margin_size": [1]}}, "'margin_size' is neither a number nor a string"),
        ({"class_name": "AugmentPipe"}, "AugmentPipe, neither"),
        ({"G_ema": 3}, "int where"),
        ({"G_ema": OrderedDict()}, "collections.OrderedDict where"),
    ],
)
def test_snapshots_that_do_not_fit_are_refused(
    snapshots: Any, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    snapshots.refused(snapshots.write(tmp_path / "s", **changes), reason)


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.1, 0.5, 0.9999])
def test_truncated_snapshots_are_refused(snapshots: Any, tmp_path: Path, fraction: float) -> None:
    data = SNAPSHOT.read_bytes()
    path = tmp_path / "s.pkl"
    path.write_bytes(data[: int(len(data) * fraction)])
    snapshots.refused(
        path, r"s\.pkl is (not a whole snapshot|no file of weights but an empty file)"
    )


def test_a_missing_file_is_reported_as_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        import_file(tmp_path / "x.pkl", out=tmp_path / "x")
