"""Snapshots made to do harm: code is refused by name and not run, and no size is believed."""

import io
import os
import pickle
import struct
import types
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import CheckpointRejected
from models.networks.checkpoints.checkpoint import load_checkpoint
from models.networks.checkpoints.import_snapshot import import_file

SNAPSHOT = Path(__file__).parent / "goldens" / "stylegan3_t64" / "snapshot.pkl"


@pytest.mark.parametrize(
    ("function", "name"), [(os.system, "posix.system"), (eval, "builtins.eval")]
)
@pytest.mark.parametrize("place", ["beside", "tensor", "storage", "settings"])
def test_code_is_refused_by_name_and_not_run(
    snapshots: Any, tmp_path: Path, function: Callable[..., Any], name: str, place: str
) -> None:
    marker = tmp_path / "marker"
    order = f"touch {marker}" if function is os.system else f"open({str(marker)!r}, 'w')"
    evil = snapshots.call(function, order)
    changes: dict[str, Any] = {
        "beside": {"extra": evil},
        "tensor": {"state": {"mapping.fc0.bias": evil}},
        "storage": {"state": {"mapping.fc0.bias": snapshots.tensor(pickle.dumps(evil))}},
        "settings": {"kwargs": {"z_dim": evil}},
    }
    snapshots.refused(snapshots.write(tmp_path / "s", **changes[place]), name.replace(".", r"\."))
    assert not marker.exists()


@pytest.mark.parametrize(
    "function", [types.SimpleNamespace, torch.nn.Linear, torch.load, getattr, OrderedDict.fromkeys]
)
def test_foreign_classes_and_functions_are_refused(
    snapshots: Any, tmp_path: Path, function: Callable[..., Any]
) -> None:
    snapshots.refused(
        snapshots.write(tmp_path / "s", extra=snapshots.call(function)),
        "which no snapshot of networks needs",
    )


def test_the_stand_ins_cannot_be_changed(snapshots: Any, tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_bytes(
        b"\x80\x02ccollections\nOrderedDict\nN}X\x06\x00\x00\x00originX\x01\x00\x00\x00xs\x86b."
    )
    snapshots.refused(path, "not a whole snapshot: TypeError")
    import_file(SNAPSHOT, entry="D", out=tmp_path / "d")


def four_floats() -> bytes:
    raw = struct.pack("<q", 4) + struct.pack("<4f", 0, 1, 2, 3)
    header = [
        pickle.dumps(item, protocol=2)
        for item in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    ]
    description = io.BytesIO()
    pickler = pickle.Pickler(description, protocol=2)
    pickler.persistent_id = lambda item: item if isinstance(item, tuple) else None  # type: ignore[method-assign]
    pickler.dump(("storage", torch.FloatStorage, "0", "cpu", 4, None))
    return b"".join(header) + description.getvalue() + pickle.dumps(["0"], protocol=2) + raw


def test_a_storage_written_by_hand_is_read(snapshots: Any, tmp_path: Path) -> None:
    path = snapshots.write(
        tmp_path / "s", state={"mapping.fc0.bias": snapshots.tensor(four_floats())}
    )
    import_file(path, out=tmp_path / "g")
    state = load_checkpoint(tmp_path / "g", kind="stylemattegan-generator").state
    assert state["mapping.fc0.bias"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda s: s[:-4], "has 12 bytes"),
        (lambda s: s + b"\0" * 4, "has 20 bytes"),
        (lambda s: s[:-24] + struct.pack("<q", -1) + s[-16:], "and -1 values"),
        (
            lambda s: s[:-24] + struct.pack("<q", 1 << 60) + s[-16:],
            "and 1152921504606846976 values",
        ),
        (lambda s: s[:-20], "not a whole snapshot"),
        (lambda s: b"", "not a whole snapshot"),
        (lambda s: s.replace(b"\xe9\x03", b"\xea\x03"), "unknown layout"),
        (lambda s: s.replace(b"FloatStorage", b"EvilsStorage"), "torch.EvilsStorage"),
    ],
)
def test_broken_storages_are_refused(
    snapshots: Any, tmp_path: Path, edit: Callable[[bytes], bytes], reason: str
) -> None:
    stream = edit(four_floats())
    snapshots.refused(
        snapshots.write(tmp_path / "s", state={"mapping.fc0.bias": snapshots.tensor(stream)}),
        reason,
    )


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
def test_tensors_beyond_their_storage_are_refused(
    snapshots: Any, tmp_path: Path, geometry: dict[str, Any]
) -> None:
    snapshots.refused(
        snapshots.write(
            tmp_path / "s", state={"mapping.fc0.bias": snapshots.tensor(four_floats(), **geometry)}
        ),
        "fc0.bias",
    )


@pytest.fixture(scope="module")
def whole(snapshots: Any, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path: Path = snapshots.write(tmp_path_factory.mktemp("whole") / "s")
    return path.read_bytes()


@settings(max_examples=100, deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_a_changed_byte_is_harmless(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, position: float, value: int
) -> None:
    path = tmp_path_factory.mktemp("changed") / "s"
    data = bytearray(whole)
    data[int(position * len(data))] = value
    path.write_bytes(data)
    out = path.with_suffix(".out")
    try:
        import_file(path, out=out)
    except CheckpointRejected:
        assert not out.exists()


def test_modules_contained_twice_are_refused(snapshots: Any, tmp_path: Path) -> None:
    deep = snapshots.module("Inner", {"w": torch.zeros(1)})
    for _ in range(40):  # 2^40 tensors, were they walked
        twice = snapshots.module("Inner", {})
        twice.args[0]["state"]["_modules"] = {"a": deep, "b": deep}
        deep = twice
    snapshots.refused(snapshots.write(tmp_path / "s", G_ema=deep), "contained twice")
