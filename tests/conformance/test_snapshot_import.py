"""Foreign weights: imported bit for bit, and refused by reason, with nothing run, when they are not what they claim."""

import io
import json
import os
import pickle
import struct
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from core.errors import CheckpointRejected
from models.checkpoint import digest, load_checkpoint
from models.discriminator import build_discriminator
from models.generator import GeneratorConfig, build_generator
from models.import_snapshot import import_file
from models.load import load_discriminator, load_generator, load_stylematte
from models.matting.config import MattingConfig

GOLDENS = Path(__file__).parent / "goldens"
SNAPSHOT = GOLDENS / "stylegan3_t64" / "snapshot.pkl"
TOLERANCE = 2e-5
SMALL: dict[str, Any] = {
    "z_dim": 4,
    "c_dim": 0,
    "w_dim": 4,
    "img_resolution": 32,
    "img_channels": 4,
    "mapping_kwargs": {"num_layers": 1},
    "channel_base": 128,
    "channel_max": 4,
    "num_layers": 4,
    "margin_size": 2,
}
SMALL_D = {"c_dim": 0, "img_resolution": 8, "img_channels": 4, "channel_base": 64, "channel_max": 8}


class Call:
    """Pickles as a call of `function` with `args`: what an attacker, or torch, would write."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.args


@pytest.fixture(scope="module", autouse=True)
def reference_modules() -> Iterator[None]:
    """The names by which the reference's pickles call its code, so that the tests can write such pickles."""
    package, persistence = types.ModuleType("torch_utils"), types.ModuleType("torch_utils.persistence")
    reconstruct.__module__, reconstruct.__qualname__ = persistence.__name__, "_reconstruct_persistent_obj"
    persistence._reconstruct_persistent_obj = reconstruct  # type: ignore[attr-defined]
    sys.modules.update({"torch_utils": package, persistence.__name__: persistence})
    yield
    del sys.modules["torch_utils"], sys.modules[persistence.__name__]


def reconstruct(meta: dict[str, Any]) -> None:
    raise AssertionError("code of a snapshot was run")


def module(
    class_name: str, state: dict[str, Any], kwargs: dict[str, Any] | None = None, buffers: frozenset[str] = frozenset()
) -> Call:
    """A module in the reference's layout; a tensor whose last name is in `buffers` becomes a buffer."""
    own = {name: tensor for name, tensor in state.items() if "." not in name}
    children: dict[str, dict[str, Any]] = {}
    for name, tensor in state.items():
        if "." in name:
            first, rest = name.split(".", 1)
            children.setdefault(first, {})[rest] = tensor
    fields = {
        "_parameters": OrderedDict((k, parameter(v)) for k, v in own.items() if k not in buffers) | {"none": None},
        "_buffers": {k: v for k, v in own.items() if k in buffers} | {"scratch": torch.zeros(1)},
        "_non_persistent_buffers_set": {"scratch"},
        "_modules": {name: module("Inner", inner, buffers=buffers) for name, inner in children.items()},
        "_init_args": (),
        "_init_kwargs": kwargs or {},
    }
    meta = {"type": "class", "version": 6, "module_src": "raise SystemExit", "class_name": class_name, "state": fields}
    return Call(reconstruct, meta)


def parameter(value: Any) -> Any:
    floating = isinstance(value, torch.Tensor) and value.is_floating_point()
    return torch.nn.Parameter(value) if floating else value


def small_generator() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return build_generator(SMALL).state_dict()


def snapshot(path: Path, **changes: Any) -> Path:
    """A whole snapshot of a small generator at `path`, with tensors or settings replaced."""
    state = small_generator() | changes.pop("state", {})
    state = {name: tensor for name, tensor in state.items() if tensor is not None}
    kwargs = SMALL | changes.pop("kwargs", {})
    content = {"G_ema": module(changes.pop("class_name", "Generator"), state, kwargs), "augment_pipe": None, **changes}
    path.write_bytes(pickle.dumps(content, protocol=4))
    return path


def refused(path: Path, reason: str, **options: Any) -> None:
    out = path.with_suffix(".out")
    with pytest.raises(CheckpointRejected, match=reason):
        import_file(path, out=out, **options)
    assert not out.exists()


# Snapshots


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
    assert checkpoint.extra == {"imported": {"file": "snapshot.pkl", "sha256": digest(SNAPSHOT), "entry": "G_ema"}}
    assert (summary.kind, summary.entry, summary.tensors) == ("stylemattegan-generator", "G_ema", len(expected))
    assert (summary.config, summary.sha256) == (checkpoint.config, digest(out))


def test_an_imported_generator_makes_the_reference_image(tmp_path: Path) -> None:
    golden = load_file(GOLDENS / "stylegan3_t64" / "golden.safetensors")
    import_file(SNAPSHOT, out=tmp_path / "g.safetensors")
    with torch.no_grad():
        image = load_generator(tmp_path / "g.safetensors").synthesis(golden["ws"])
    torch.testing.assert_close(image, golden["image"], atol=TOLERANCE, rtol=0)


def test_other_entries_are_imported_on_request(tmp_path: Path) -> None:
    summaries = {entry: import_file(SNAPSHOT, entry=entry, out=tmp_path / entry) for entry in ("G", "G_ema", "D")}
    assert summaries["G"].elements < summaries["G_ema"].elements
    assert summaries["D"].kind == "stylemattegan-discriminator"
    assert load_discriminator(tmp_path / "D")(torch.zeros(2, 4, 64, 64)).shape == (2, 1)
    refused(SNAPSHOT, "NoneType where torch_utils", entry="augment_pipe")
    refused(SNAPSHOT, r"no entry 'X'.*'G_ema'", entry="X")


def test_dtypes_are_kept(tmp_path: Path) -> None:
    state = {name: tensor.half() for name, tensor in small_generator().items() if tensor.numel() > 40}
    import_file(snapshot(tmp_path / "s", state=state), out=tmp_path / "g")
    read = load_checkpoint(tmp_path / "g", kind="stylemattegan-generator").state
    assert {name for name, tensor in read.items() if tensor.dtype == torch.float16} == state.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in (small_generator() | state).items())
    assert load_generator(tmp_path / "g").mapping.fc0.weight.dtype == torch.float32


def test_views_of_a_storage_are_imported_as_seen(tmp_path: Path) -> None:
    name = "mapping.fc0.weight"
    part = torch.arange(64.0).reshape(8, 8)[2:6, 1:5].t()
    import_file(snapshot(tmp_path / "s", state={name: part}), out=tmp_path / "g")
    assert torch.equal(load_checkpoint(tmp_path / "g", kind="stylemattegan-generator").state[name], part)


def test_settings_of_reference_discriminators(tmp_path: Path) -> None:
    neutral = {"block_kwargs": {"freeze_layers": 0}, "mapping_kwargs": {}, "epilogue_kwargs": {"mbstd_group_size": 2}}
    state = build_discriminator(SMALL_D).state_dict()
    blurs = frozenset({"resample_filter"})
    path = snapshot(tmp_path / "s", D=module("Discriminator", state, {**SMALL_D, **neutral}, blurs))
    assert import_file(path, entry="D", out=tmp_path / "d").config["epilogue_kwargs"]["mbstd_group_size"] == 2
    path = snapshot(tmp_path / "s", D=module("Discriminator", state, {**SMALL_D, "architecture": "skip"}, blurs))
    refused(path, "unknown discriminator settings: architecture", entry="D")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": {"mapping.fc0.bias": torch.zeros(5)}}, "misshaped: mapping.fc0.bias$"),
        ({"state": {"mapping.fc0.bias": None}}, "missing: mapping.fc0.bias$"),
        ({"state": {"mapping.fc9.bias": torch.zeros(4)}}, "unexpected: mapping.fc9.bias$"),
        ({"kwargs": {"img_resolution": 48}}, "power of two"),
        ({"kwargs": {"img_resolution": "32"}}, "config is not one of ours"),
        ({"kwargs": {"channel_base": 1 << 40, "channel_max": 1 << 30}}, "config is not one of ours"),
        ({"kwargs": {"channel_base": 1 << 20, "channel_max": 1 << 20}}, "misshaped"),
        ({"kwargs": {"noise": 1}}, "noise"),
        ({"kwargs": {"margin_size": [1]}}, "'margin_size' is neither a number nor a string"),
        ({"class_name": "AugmentPipe"}, "AugmentPipe, neither"),
        ({"G_ema": 3}, "int where"),
        ({"G_ema": Call(OrderedDict)}, "collections.OrderedDict where"),
    ],
)
def test_snapshots_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    refused(snapshot(tmp_path / "s", **changes), reason)


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.1, 0.5, 0.9999])
def test_truncated_snapshots_are_refused(tmp_path: Path, fraction: float) -> None:
    data = SNAPSHOT.read_bytes()
    path = tmp_path / "s.pkl"
    path.write_bytes(data[: int(len(data) * fraction)])
    refused(path, r"s\.pkl is not a whole snapshot")


def test_modules_contained_twice_are_refused(tmp_path: Path) -> None:
    deep = module("Inner", {"w": torch.zeros(1)})
    for _ in range(40):  # 2^40 tensors, were they walked
        twice = module("Inner", {})
        twice.args[0]["state"]["_modules"] = {"a": deep, "b": deep}
        deep = twice
    refused(snapshot(tmp_path / "s", G_ema=deep), "contained twice")


# Code


@pytest.mark.parametrize(("function", "name"), [(os.system, "posix.system"), (eval, "builtins.eval")])
@pytest.mark.parametrize("place", ["beside", "tensor", "storage", "settings"])
def test_code_is_refused_by_name_and_not_run(
    tmp_path: Path, function: Callable[..., Any], name: str, place: str
) -> None:
    marker = tmp_path / "marker"
    order = f"touch {marker}" if function is os.system else f"open({str(marker)!r}, 'w')"
    evil = Call(function, order)
    changes: dict[str, Any] = {
        "beside": {"extra": evil},
        "tensor": {"state": {"mapping.fc0.bias": evil}},
        "storage": {"state": {"mapping.fc0.bias": tensor_of(pickle.dumps(evil))}},
        "settings": {"kwargs": {"z_dim": evil}},
    }
    refused(snapshot(tmp_path / "s", **changes[place]), name.replace(".", r"\."))
    assert not marker.exists()


@pytest.mark.parametrize(
    "function", [types.SimpleNamespace, torch.nn.Linear, torch.load, getattr, OrderedDict.fromkeys]
)
def test_foreign_classes_and_functions_are_refused(tmp_path: Path, function: Callable[..., Any]) -> None:
    refused(snapshot(tmp_path / "s", extra=Call(function)), "which no snapshot of networks needs")


def test_the_stand_ins_cannot_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_bytes(b"\x80\x02ccollections\nOrderedDict\nN}X\x06\x00\x00\x00originX\x01\x00\x00\x00xs\x86b.")
    refused(path, "not a whole snapshot: TypeError")
    import_file(SNAPSHOT, entry="D", out=tmp_path / "d")


# Storages


def tensor_of(stream: bytes, offset: Any = 0, size: Any = (4,), stride: Any = (1,)) -> Call:
    """A tensor, as torch pickles it, over a storage written as `stream`."""
    storage = Call(torch.storage._load_from_bytes, stream)
    return Call(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, OrderedDict())


def four_floats() -> bytes:
    raw = struct.pack("<q", 4) + struct.pack("<4f", 0, 1, 2, 3)
    header = [pickle.dumps(item, protocol=2) for item in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    description = io.BytesIO()
    pickler = pickle.Pickler(description, protocol=2)
    pickler.persistent_id = lambda item: item if isinstance(item, tuple) else None  # type: ignore[method-assign]
    pickler.dump(("storage", torch.FloatStorage, "0", "cpu", 4, None))
    return b"".join(header) + description.getvalue() + pickle.dumps(["0"], protocol=2) + raw


def test_a_storage_written_by_hand_is_read(tmp_path: Path) -> None:
    path = snapshot(tmp_path / "s", state={"mapping.fc0.bias": tensor_of(four_floats())})
    import_file(path, out=tmp_path / "g")
    state = load_checkpoint(tmp_path / "g", kind="stylemattegan-generator").state
    assert state["mapping.fc0.bias"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda s: s[:-4], "has 12 bytes"),
        (lambda s: s + b"\0" * 4, "has 20 bytes"),
        (lambda s: s[:-24] + struct.pack("<q", -1) + s[-16:], "and -1 values"),
        (lambda s: s[:-24] + struct.pack("<q", 1 << 60) + s[-16:], "and 1152921504606846976 values"),
        (lambda s: s[:-20], "not a whole snapshot"),
        (lambda s: b"", "not a whole snapshot"),
        (lambda s: s.replace(b"\xe9\x03", b"\xea\x03"), "unknown layout"),
        (lambda s: s.replace(b"FloatStorage", b"EvilsStorage"), "torch.EvilsStorage"),
    ],
)
def test_broken_storages_are_refused(tmp_path: Path, edit: Callable[[bytes], bytes], reason: str) -> None:
    stream = edit(four_floats())
    refused(snapshot(tmp_path / "s", state={"mapping.fc0.bias": tensor_of(stream)}), reason)


@pytest.mark.parametrize(
    "geometry",
    [
        {"size": (5,)},
        {"offset": 1},
        {"offset": -1},
        {"stride": (2,)},
        {"stride": (-1,)},
        {"size": (1 << 40,), "stride": (0,)},
        {"size": (4, 1)},
        {"size": (4.0,)},
    ],
)
def test_tensors_beyond_their_storage_are_refused(tmp_path: Path, geometry: dict[str, Any]) -> None:
    refused(snapshot(tmp_path / "s", state={"mapping.fc0.bias": tensor_of(four_floats(), **geometry)}), "fc0.bias")


@settings(max_examples=150, deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_a_changed_byte_is_harmless(tmp_path_factory: pytest.TempPathFactory, position: float, value: int) -> None:
    folder = tmp_path_factory.mktemp("changed", numbered=True)
    path = snapshot(folder / "s")
    data = bytearray(path.read_bytes())
    data[int(position * len(data))] = value
    path.write_bytes(data)
    try:
        import_file(path, out=folder / "g")
    except CheckpointRejected:
        assert not (folder / "g").exists()


# StyleMatte

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
    return load_file(GOLDENS / "stylematte_tiny" / "state.safetensors")


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
def test_stylematte_files_are_imported_bit_for_bit(tmp_path: Path, old: bool, nested: bool, zipped: bool) -> None:
    state = old_names(stylematte_state()) if old else stylematte_state()
    content = {"state_dict": state, "epoch": 3} if nested else state
    torch.save(content, tmp_path / "s.pth", _use_new_zipfile_serialization=zipped)
    summary = import_file(tmp_path / "s.pth", out=tmp_path / "m")
    checkpoint = load_checkpoint(tmp_path / "m", kind="stylematte")
    info = json.loads((GOLDENS / "stylematte_tiny" / "info.json").read_text())
    assert MattingConfig.from_dict(checkpoint.config) == MattingConfig.from_reference(info)
    assert (summary.kind, summary.entry) == ("stylematte", None)
    assert checkpoint.state.keys() == stylematte_state().keys()
    for name, tensor in stylematte_state().items():
        if not (old and ".swin.layernorm." in name):
            assert torch.equal(checkpoint.state[name], tensor), name


def test_an_imported_stylematte_predicts_the_reference_alpha(tmp_path: Path) -> None:
    golden = load_file(GOLDENS / "stylematte_tiny" / "golden.safetensors")
    torch.save(old_names(stylematte_state()), tmp_path / "s.pth")
    import_file(tmp_path / "s.pth", out=tmp_path / "m")
    matte = load_stylematte(tmp_path / "m")
    cases = [name for name in golden if name.startswith("image")]
    assert cases
    for name in cases:
        with torch.no_grad():
            alpha = matte(golden[name])
        torch.testing.assert_close(alpha, golden[name.replace("image", "alpha")], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fpn.conv1x1.0.bias": torch.zeros(3)}, "misshaped: fpn.conv1x1.0.bias"),
        ({"fpn.conv1x1.0.bias": None}, "missing: fpn.conv1x1.0.bias"),
        ({"head.weight": torch.zeros(3)}, "unexpected: head.weight"),
        ({"conv.weight": None}, "it has no 'conv.weight'"),
        ({"conv.weight": 3}, "no plain dict of tensors"),
        ({"conv.weight": types.SimpleNamespace()}, "types.SimpleNamespace"),
    ],
)
def test_stylematte_files_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    state = {name: value for name, value in {**stylematte_state(), **change}.items() if value is not None}
    torch.save(state, tmp_path / "s.pth")
    refused(tmp_path / "s.pth", reason)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_stylematte_files_is_refused_by_name(tmp_path: Path, zipped: bool) -> None:
    marker = tmp_path / "marker"
    content = {"conv.weight": Call(os.system, f"touch {marker}")}
    torch.save(content, tmp_path / "s.pth", _use_new_zipfile_serialization=zipped)
    refused(tmp_path / "s.pth", r"names posix\.system")
    assert not marker.exists()


def test_truncated_stylematte_files_are_refused(tmp_path: Path) -> None:
    torch.save(stylematte_state(), tmp_path / "s.pth")
    data = (tmp_path / "s.pth").read_bytes()
    (tmp_path / "s.pth").write_bytes(data[: len(data) // 2])
    refused(tmp_path / "s.pth", r"s\.pth is not a file of weights")


def test_a_missing_file_is_reported_as_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        import_file(tmp_path / "x.pkl", out=tmp_path / "x")
