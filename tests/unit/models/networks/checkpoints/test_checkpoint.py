"""Checkpoints: what is written is read back, equal content gives equal bytes, and a wrong file is
refused by reason."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from core.errors import CheckpointRejected
from models.networks.checkpoints.checkpoint import (
    HEADER_KEY,
    digest,
    halved,
    load_checkpoint,
    save_checkpoint,
)
from models.networks.checkpoints.load import build_with, check_state, load_discriminator
from models.networks.discriminator import build_discriminator

KIND = "stylemattegan-discriminator"
CONFIG = {"c_dim": 0, "img_resolution": 8, "img_channels": 4, "channel_base": 64, "channel_max": 8}


def small_state() -> dict[str, torch.Tensor]:
    return {
        "b": torch.arange(6.0).reshape(2, 3).half(),
        "a": torch.tensor(0.25),
        "n": torch.tensor(3),
    }


def write_header(path: Path, header: Any) -> None:
    save_file(
        {"a": torch.zeros(1)},
        path,
        {HEADER_KEY: header if isinstance(header, str) else json.dumps(header)},
    )


def test_round_trip_keeps_values_dtypes_and_records(tmp_path: Path) -> None:
    path = tmp_path / "made" / "x.safetensors"
    save_checkpoint(
        path, kind="stylematte", config=CONFIG, state=small_state(), extra={"kimg": 1.5}
    )
    checkpoint = load_checkpoint(path, kind="stylematte")
    assert (checkpoint.kind, checkpoint.config, checkpoint.extra) == (
        "stylematte",
        CONFIG,
        {"kimg": 1.5},
    )
    assert checkpoint.state.keys() == small_state().keys()
    for name, tensor in small_state().items():
        assert checkpoint.state[name].dtype == tensor.dtype
        assert torch.equal(checkpoint.state[name], tensor)


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in "123")
    state = small_state()
    save_checkpoint(first, kind=KIND, config={"a": 1, "b": 2}, state=state)
    save_checkpoint(
        second, kind=KIND, config={"b": 2, "a": 1}, state=dict(reversed(state.items())), extra={}
    )
    save_checkpoint(third, kind=KIND, config={"a": 1, "b": 3}, state=state)
    assert digest(first) == digest(second) != digest(third)


def test_views_and_shared_tensors_are_written_as_seen(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(1, 2, 3, 4)
    state = {
        "whole": base,
        "part": base[:, 1],
        "turned": base.mT,
        "nhwc": base.to(memory_format=torch.channels_last),
    }
    save_checkpoint(tmp_path / "x", kind=KIND, config={}, state=state)
    read = load_checkpoint(tmp_path / "x", kind=KIND).state
    assert all(torch.equal(read[name], tensor) for name, tensor in state.items())


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    save_checkpoint(path, kind=KIND, config={}, state=small_state())
    before = digest(path)

    def full_disk(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(path, kind=KIND, config={"new": 1}, state=small_state())
    assert digest(path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_configs_that_are_not_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        save_checkpoint(
            tmp_path / "x", kind=KIND, config={"psi": float("nan")}, state=small_state()
        )


@pytest.mark.parametrize("kept", [0, 7, 8, 100, -1])
def test_truncated_files_are_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, kind=KIND, config=CONFIG, state=small_state())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointRejected, match=r"x\.safetensors is not a whole safetensors file"):
        load_checkpoint(path, kind=KIND)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"format_version": 2, "kind": KIND, "config": {}, "extra": {}}, "format version 2"),
        ({"kind": KIND, "config": {}, "extra": {}}, "format version None"),
        (
            {"format_version": 1, "kind": "stylematte", "config": {}, "extra": {}},
            "holds a stylematte, not a",
        ),
        ({"format_version": 1, "kind": KIND, "config": [], "extra": {}}, "'config' is missing"),
        ({"format_version": 1, "kind": KIND, "config": {}}, "'extra' is missing"),
        ([1], "format version None"),
        ("{", "not JSON"),
    ],
)
def test_strange_headers_are_refused(tmp_path: Path, header: Any, reason: str) -> None:
    write_header(tmp_path / "x", header)
    with pytest.raises(CheckpointRejected, match=reason):
        load_checkpoint(tmp_path / "x", kind=KIND)


def test_safetensors_without_our_header_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "x")
    with pytest.raises(CheckpointRejected, match="no 'matteforge' entry"):
        load_checkpoint(tmp_path / "x", kind=KIND)


def test_a_missing_file_is_reported_as_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "x", kind=KIND)


def test_halved_keeps_small_and_overflowing_tensors() -> None:
    state = {
        "weight": torch.full((64, 64), 0.1),
        "huge": torch.full((64, 64), 1e6),
        "filter": torch.full((12,), 0.1),
        "index": torch.zeros(4096, dtype=torch.int64),
    }
    dtypes = {name: tensor.dtype for name, tensor in halved(state).items()}
    assert dtypes == {
        "weight": torch.float16,
        "huge": torch.float32,
        "filter": torch.float32,
        "index": torch.int64,
    }


def linear(config: dict[str, Any]) -> torch.nn.Linear:
    return torch.nn.Linear(**config)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bias": None}, "missing: bias"),
        ({"other": torch.zeros(1)}, "unexpected: other"),
        ({"weight": torch.zeros(3, 3)}, "misshaped: weight"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name(
    change: dict[str, torch.Tensor | None], reason: str
) -> None:
    config = {"in_features": 2, "out_features": 3}
    state = {**linear(config).state_dict(), **change}
    with pytest.raises(CheckpointRejected, match=f"{reason}$"):
        check_state(
            linear, config, {name: tensor for name, tensor in state.items() if tensor is not None}
        )


def test_checking_an_absurd_config_costs_no_memory() -> None:
    with pytest.raises(CheckpointRejected, match="missing: bias, weight"):
        check_state(linear, {"in_features": 1 << 30, "out_features": 1 << 20}, {})


def test_a_config_the_network_refuses_is_refused() -> None:
    with pytest.raises(CheckpointRejected, match="colour"):
        build_with(linear, {"in_features": 1, "out_features": 1, "colour": "red"})


def test_half_precision_files_load_as_float32_networks(tmp_path: Path) -> None:
    original = build_discriminator(CONFIG)
    save_checkpoint(tmp_path / "x", kind=KIND, config=CONFIG, state=halved(original.state_dict()))
    loaded = load_discriminator(tmp_path / "x")
    assert not loaded.training
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32}
    x = torch.linspace(-1, 1, 2 * 4 * 8 * 8).reshape(2, 4, 8, 8)
    torch.testing.assert_close(loaded(x), original(x), atol=1e-2, rtol=1e-2)
