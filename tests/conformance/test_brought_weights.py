"""Weights as people have them: wrapped, packed, conditional, grey, of other networks, hostile."""

import argparse
import gzip
import io
import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from models.networks.checkpoints.checkpoint import load_checkpoint
from models.networks.checkpoints.import_snapshot import import_file
from models.networks.checkpoints.load import load_generator
from models.networks.stylegan3 import build_generator

GOLDEN = Path(__file__).parent / "goldens" / "stylematte_tiny" / "state.safetensors"
ROOT = Path(__file__).parents[2]

State = dict[str, torch.Tensor]


def stylematte() -> State:
    return load_file(GOLDEN)


def prefixed(prefix: str) -> Callable[[State], Any]:
    return lambda state: {prefix + name: tensor for name, tensor in state.items()}


WRAPPED: dict[str, Callable[[State], Any]] = {
    "module.": prefixed("module."),
    "_orig_mod.": prefixed("_orig_mod."),
    "model.": prefixed("model."),
    "module._orig_mod.": prefixed("module._orig_mod."),
    "lightning": lambda state: {
        "state_dict": prefixed("net.")(state) | {"loss.weight": torch.zeros(3)},
        "epoch": 3,
        "hyper_parameters": {"lr": 0.1},
    },
    "model": lambda state: {"model": state, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
    "params_ema": lambda state: {
        "params": {name: torch.zeros_like(x) for name, x in state.items()},
        "params_ema": state,
    },
    "ema": lambda state: {"ema": {"decay": 0.999, "shadow": state}, "model": {}},
    "swa_model": lambda state: {
        "model": {name: torch.zeros_like(x) for name, x in state.items()},
        "swa_model": state,
    },
    "averaged": lambda state: prefixed("module.")(state) | {"n_averaged": torch.tensor(7)},
    "numpy scalar beside": lambda state: {
        "state_dict": state,
        "best": np.float64(0.3),
        "step": np.int64(4),
        "args": argparse.Namespace(lr=1),
    },
    "extra buffer": lambda state: state | {"pixel_mean": torch.zeros(3)},
}


@pytest.mark.parametrize("wrapped", list(WRAPPED))
@pytest.mark.parametrize("zipped", [True, False])
def test_wrapped_states_are_found_and_keep_their_bits(tmp_path, wrapped, zipped):
    content = WRAPPED[wrapped](stylematte())
    torch.save(content, tmp_path / "s.pth", _use_new_zipfile_serialization=zipped)
    summary = import_file(tmp_path / "s.pth", out=tmp_path / "m")
    found = load_checkpoint(tmp_path / "m", kind="stylematte").state
    assert found.keys() == stylematte().keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in stylematte().items())
    if wrapped == "extra buffer":
        assert summary.notes == ("left out pixel_mean",)


def test_of_two_networks_in_a_file_the_other_is_named(tmp_path):
    other = {name: torch.zeros_like(x) for name, x in stylematte().items()}
    torch.save({"teacher": other, "student": stylematte()}, tmp_path / "s.pth")
    summary = import_file(tmp_path / "s.pth", out=tmp_path / "m")
    assert summary.notes == ("taken from student", "also there, and not taken: teacher")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_half_precision_and_safetensors(tmp_path, dtype, suffix):
    state = {name: tensor.to(dtype) for name, tensor in stylematte().items()}
    if suffix == "pth":
        torch.save(state, tmp_path / "s.pth")
    else:
        save_file(prefixed("model.")(state), tmp_path / "s.safetensors")
    import_file(tmp_path / f"s.{suffix}", out=tmp_path / "m")
    found = load_checkpoint(tmp_path / "m", kind="stylematte").state
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def test_views_and_shared_storages_are_read_as_torch_reads_them(tmp_path):
    state = stylematte()
    name = next(name for name, tensor in state.items() if tensor.ndim == 2)
    state[name] = state[name].t().contiguous().t()
    torch.save(state, tmp_path / "s.pth")
    import_file(tmp_path / "s.pth", out=tmp_path / "m")
    found = load_checkpoint(tmp_path / "m", kind="stylematte").state
    assert torch.equal(found[name], stylematte()[name])


def test_a_checkpoint_of_ours_is_imported_again(tmp_path):
    torch.save(stylematte(), tmp_path / "s.pth")
    first = import_file(tmp_path / "s.pth", out=tmp_path / "m")
    again = import_file(tmp_path / "m", out=tmp_path / "n")
    assert (again.kind, again.config, again.tensors) == (first.kind, first.config, first.tensors)


def test_gzipped_snapshots_and_finetuned_parameters(snapshots, tmp_path):
    plain = snapshots.write(tmp_path / "s.pkl")
    (tmp_path / "s.pkl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    import_file(plain, out=tmp_path / "a")
    import_file(tmp_path / "s.pkl.gz", out=tmp_path / "b")
    one, other = (load_checkpoint(tmp_path / n, kind="stylemattegan-generator") for n in "ab")
    assert all(torch.equal(one.state[name], x) for name, x in other.state.items())

    weight = snapshots.state()["mapping.fc0.weight"]
    marked = snapshots.call(
        torch._utils._rebuild_parameter_with_state, weight, True, {}, {"finetuned": True}
    )
    import_file(
        snapshots.write(tmp_path / "p", state={"mapping.fc0.weight": marked}), out=tmp_path / "c"
    )
    found = load_checkpoint(tmp_path / "c", kind="stylemattegan-generator").state
    assert torch.equal(found["mapping.fc0.weight"], weight)


def of_small(snapshots: Any, **kwargs: Any) -> torch.nn.Module:
    torch.manual_seed(3)
    return build_generator(snapshots.small | kwargs).eval()


def test_one_class_of_a_conditional_generator_gives_its_pictures(snapshots, tmp_path):
    conditional = of_small(snapshots, c_dim=4)
    path = snapshots.write(tmp_path / "c.pkl", kwargs={"c_dim": 4}, state=conditional.state_dict())
    snapshots.refused(path, "conditional on 4 classes.*--class 0 to 3")
    snapshots.refused(path, "--class 0 to 3", class_number=4)
    summary = import_file(path, class_number=2, out=tmp_path / "m")
    assert summary.config["c_dim"] == 0
    z = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    one_hot = torch.eye(4)[[2, 2, 2]]
    with torch.no_grad():
        expected = conditional(z, one_hot, truncation_psi=0.7)
        found = load_generator(tmp_path / "m")(z, truncation_psi=0.7)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
    snapshots.refused(snapshots.write(tmp_path / "u"), "not conditional", class_number=1)


def test_a_grey_generator_becomes_one_of_equal_channels(snapshots, tmp_path):
    grey = {}
    for name, tensor in of_small(snapshots, img_channels=3).state_dict().items():
        own = name in ("synthesis.L4_32_3.weight", "synthesis.L4_32_3.bias")
        grey[name.replace("L4_32_3.", "L4_32_1.")] = tensor[:1] if own else tensor
    unused = {name: None for name in snapshots.state() if name.startswith("synthesis.L4_32_4.")}
    path = snapshots.write(tmp_path / "g.pkl", kwargs={"img_channels": 1}, state=grey | unused)
    summary = import_file(path, out=tmp_path / "m")
    assert (summary.config["img_channels"], summary.notes) == (3, ("grey became RGB",))
    with torch.no_grad():
        image = load_generator(tmp_path / "m")(torch.randn(2, 4))
        expected = of_small(snapshots, img_channels=3)
    assert torch.equal(image[:, 0], image[:, 1])
    assert torch.equal(image[:, 0], image[:, 2])
    assert image.std() > 0
    assert expected is not None


def test_a_config_that_contradicts_the_weights_is_refused_by_name(snapshots, tmp_path):
    path = snapshots.write(tmp_path / "g.pkl", kwargs={"img_channels": 1})
    snapshots.refused(path, "pictures of 1 channels, and its last layer draws 4")


def test_other_networks_are_refused_by_name_with_what_to_do(snapshots, tmp_path):
    state = {"synthesis.b4.const": torch.zeros(4, 4, 4)}
    two = snapshots.write(tmp_path / "two.pkl", state=state, kwargs={"synthesis_kwargs": {}})
    snapshots.refused(two, "it is a StyleGAN2 generator.*corpora add")
    (tmp_path / "tf.pkl").write_bytes(b"\x80\x03cdnnlib.tflib.network\nNetwork\n.")
    snapshots.refused(tmp_path / "tf.pkl", "TensorFlow pickle.*corpora add")
    torch.save({"backbone.conv1.weight": torch.zeros(3)}, tmp_path / "resnet.pth")
    snapshots.refused(tmp_path / "resnet.pth", "not a StyleMatte: it holds backbone.conv1.weight")
    (tmp_path / "picture.pth").write_bytes(b"\x89PNG\r\n")
    snapshots.refused(tmp_path / "picture.pth", "no file of weights")
    torch.save(stylematte() | {"conv.bias": torch.full((1,), float("nan"))}, tmp_path / "nan.pth")
    snapshots.refused(tmp_path / "nan.pth", "NaN or infinity|misshaped")


def zip_of(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return buffer.getvalue()


def torch_file(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


FOREIGN: dict[str, tuple[bytes, str]] = {
    "pointer.pth": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "page.pkl": (b"<!DOCTYPE html>", "a web page"),
    "nothing.pth": (b"", "an empty file"),
    "keras.h5": (b"\x89HDF\r\n", "an HDF5 file"),
    "program.pth": (b"\x08\x08\x12\x07pytorch", "an ONNX program"),
    "script.pt": (zip_of("s/data.pkl", "s/code/__torch__.py"), "a TorchScript program"),
    "zipped.zip": (zip_of("stylematte.pth"), "a zip of stylematte.pth: unpack it first"),
    "arrays.npz": (zip_of("a.npy"), "NumPy arrays"),
    "early.pth": (torch_file({"a": torch.zeros(99)})[:-20], "ends early"),
    "early.safetensors": (struct.pack("<Q", 9999) + b'{"a":', "ends early"),
    "quantised.pth": (
        torch_file({name: x.to(torch.int8) for name, x in stylematte().items()}),
        "is int8: quantised weights",
    ),
    "float8.pth": (
        torch_file(
            stylematte() | {"conv.weight": stylematte()["conv.weight"].to(torch.float8_e4m3fn)}
        ),
        "float8|names torch",
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_file_of_weights_is_named(snapshots, tmp_path, name):
    content, said = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    snapshots.refused(tmp_path / name, said)


def zip_bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr("a/data/0", bytes(200_000_000))
    return buffer.getvalue()


def nested_keys() -> bytes:
    return b"\x80\x04" + b"}" + b"}" * 100_000 + b"K\x01s." * 1


def deep_header() -> bytes:
    text = json.dumps({"__metadata__": {"matteforge": "[" * 100_000 + "]" * 100_000}}).encode()
    return struct.pack("<Q", len(text)) + text


def deep_json() -> bytes:
    text = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    return struct.pack("<Q", len(text)) + text


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a byte array of 3 GB": lambda: b"\x80\x05\x96" + struct.pack("<Q", 3 * 1024**3) + b".",
    "bytes of 3 GB": lambda: b"\x80\x04\x8e" + struct.pack("<Q", 3 * 1024**3) + b".",
    "a number of 2 GB": lambda: b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b".",
    "a packed member": zip_bomb,
    "gzip of zeros": lambda: gzip.compress(bytes(100_000_000)),
    "dicts in dicts": nested_keys,
    "a header of lists in lists": deep_header,
    "a header of objects in objects": deep_json,
    "a header that claims more than there is": lambda: struct.pack("<Q", 2**62) + b"{}",
}


IMPORT_ALL = """
import resource, sys
from pathlib import Path
from core.errors import CheckpointRejected
from models.networks.checkpoints.import_snapshot import import_file
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        import_file(path, out=path.with_suffix(".out"))
    except CheckpointRejected as error:
        assert len(str(error).splitlines()) == 1, error
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(path.name, "refused", grown)
"""


def test_claimed_sizes_cost_nothing_and_every_refusal_is_one_line(tmp_path):
    """In a process of its own, whose memory is measured."""
    for name, content in HOSTILE.items():
        (tmp_path / name.replace(" ", "-")).write_bytes(content())
    found = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=250,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-500:]
    grown = {line.split()[0]: int(line.split()[2]) for line in found.stdout.splitlines()}
    assert grown.keys() == {name.replace(" ", "-") for name in HOSTILE}
    assert max(grown.values()) < 100_000, ("kilobytes", grown)
