"""Checkpoints: safetensors files whose header says what network they hold.

`__metadata__` has one entry, `matteforge`: the JSON of {format_version, kind, config, extra}. Equal
content gives equal bytes, so a file's sha256 is the identity of a model. Nothing here unpickles.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from core.errors import CheckpointRejected

FORMAT_VERSION = 1
HEADER_KEY = "matteforge"
SMALL_TENSOR = (
    1024  # elements; below this, filters and statistics lose more by rounding than the file gains
)

Kind = Literal[
    "stylemattegan-generator",
    "stylemattegan-discriminator",
    "stylematte",
    "stylemattegan-training",
    "stylematte-training",
]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    kind: str
    config: dict[
        str, Any
    ]  # what `build_generator`, `build_discriminator` or `build_stylematte` takes
    state: dict[str, torch.Tensor]  # reference names, on the CPU, dtypes as stored
    extra: dict[str, Any]  # how it came about: data, kimg, seeds, commands


def save_checkpoint(
    path: Path | str,
    *,
    kind: Kind,
    config: Mapping[str, Any],
    state: Mapping[str, torch.Tensor],
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint atomically: a reader sees the old file or the new one, never a part.

    Tensors keep their dtype. `config` and `extra` must be JSON; NaN and infinities raise
    ValueError.
    """
    path = Path(path)
    header = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "config": dict(config),
        "extra": dict(extra or {}),
    }
    metadata = {
        HEADER_KEY: json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False)
    }
    tensors = {
        name: tensor.detach().to("cpu", copy=True).contiguous(memory_format=torch.contiguous_format)
        for name, tensor in sorted(state.items())
    }
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("wb") as file:
            file.write(save(tensors, metadata))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load_checkpoint(path: Path | str, *, kind: Kind) -> Checkpoint:
    """Read a checkpoint of the given kind.

    Raises CheckpointRejected when the file is truncated, is no checkpoint, or is one of another
    kind or format version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = _parse_header(path, file.metadata() or {})
            if header["kind"] != kind:
                raise CheckpointRejected(f"{path.name} holds a {header['kind']}, not a {kind}")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except SafetensorError as error:
        raise CheckpointRejected(f"{path.name} is not a whole safetensors file: {error}") from error
    return Checkpoint(kind=kind, config=header["config"], state=state, extra=header["extra"])


def kind_of(path: Path | str) -> Kind | None:
    """The kind of network that a checkpoint of ours holds; None for any other safetensors file.

    Raises CheckpointRejected for a broken file, or a header that can't be read.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointRejected(f"{path.name} is not a whole safetensors file: {error}") from error
    if HEADER_KEY not in metadata:
        return None
    kind: Kind = _parse_header(path, metadata)["kind"]
    return kind


def _parse_header(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if HEADER_KEY not in metadata:
        raise CheckpointRejected(f"{path.name} has no {HEADER_KEY!r} entry in its metadata")
    try:
        header = json.loads(metadata[HEADER_KEY])
    except (ValueError, RecursionError) as error:
        raise CheckpointRejected(f"{path.name}: its header is not JSON: {error}") from error
    version = header.get("format_version") if isinstance(header, dict) else None
    if version != FORMAT_VERSION:
        raise CheckpointRejected(
            f"{path.name} has format version {version!r}; this program reads {FORMAT_VERSION}"
        )
    for key, type_ in (("kind", str), ("config", dict), ("extra", dict)):
        if not isinstance(header.get(key), type_):
            raise CheckpointRejected(
                f"{path.name}: {key!r} is missing from its header or has the wrong type"
            )
    return dict(header)


def digest(path: Path | str) -> str:
    """The sha256 of a file, in hex: a model's identity."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def halved(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The large float32 tensors as float16, to be shipped; what is small or would overflow stays as
    it is."""
    limit = torch.finfo(torch.float16).max
    return {
        name: tensor.half()
        if tensor.dtype == torch.float32
        and tensor.numel() >= SMALL_TENSOR
        and tensor.abs().max() <= limit
        else tensor
        for name, tensor in state.items()
    }
