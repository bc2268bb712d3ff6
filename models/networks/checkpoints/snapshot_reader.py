"""Training snapshots of the reference implementation, read without running anything in them.

A snapshot is a pickle of modules whose tensors are themselves small pickle streams; see
`inert_pickle` for what keeps the reading harmless.
"""

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch

from core.errors import CheckpointRejected
from models.networks.checkpoints.inert_pickle import (
    OBJECTS,
    STORAGES,
    TENSOR,
    Reader,
    Record,
    UnknownGlobal,
    rejected,
    tensor_of,
    unwrapped,
)

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_VERSION = 1001
MODULE = "torch_utils.persistence._reconstruct_persistent_obj"
STORAGE = "torch.storage._load_from_bytes"
TENSORFLOW = "dnnlib.tflib."


class SnapshotReader(Reader):
    known = (*OBJECTS, *STORAGES, MODULE, STORAGE, "dnnlib.util.EasyDict")


@dataclass(frozen=True, kw_only=True)
class SnapshotModule:
    """One network of a snapshot."""

    class_name: str
    kwargs: dict[
        str, Any
    ]  # what its constructor was given: scalars, and one level of dicts of scalars
    state: dict[
        str, torch.Tensor
    ]  # parameters and persistent buffers by their dotted names, dtypes as stored


def read_module(path: Path, content: bytes, entry: str) -> SnapshotModule:
    """Read the network called `entry` from a snapshot's content. Raises CheckpointRejected for
    anything that isn't a snapshot."""
    try:
        snapshot = SnapshotReader(io.BytesIO(content)).load()
        if not isinstance(snapshot, dict) or entry not in snapshot:
            names = (
                sorted(map(str, snapshot))
                if isinstance(snapshot, dict)
                else type(snapshot).__name__
            )
            raise CheckpointRejected(f"{path.name} has no entry {entry!r}; it holds {names}")
        return _module(snapshot[entry])
    except UnknownGlobal as error:
        if not error.named.startswith(TENSORFLOW):
            raise
        raise CheckpointRejected(
            f"{path.name} is a TensorFlow pickle of StyleGAN or StyleGAN2; StyleGAN3 snapshots of "
            "PyTorch are read. Its pictures can be used: make them with its own program and add "
            "them by `matteforge corpora add --kind images`"
        ) from error
    except (CheckpointRejected, OSError):
        raise
    except Exception as error:  # a hostile or broken stream can raise anything
        raise CheckpointRejected(
            f"{path.name} is not a whole snapshot: {type(error).__name__}: {error}"
        ) from error


def _module(record: Any) -> SnapshotModule:
    meta = _arguments(record, MODULE)[0]
    if meta["state"]["_init_args"]:
        _refuse("its constructor had positional arguments")
    state: dict[str, torch.Tensor] = {}
    _collect(record, "", state, set())
    return SnapshotModule(
        class_name=str(meta["class_name"]),
        kwargs=_settings(meta["state"]["_init_kwargs"]),
        state=state,
    )


def _collect(record: Any, prefix: str, state: dict[str, torch.Tensor], seen: set[int]) -> None:
    if id(record) in seen:
        _refuse(f"module {prefix} is contained twice")
    seen.add(id(record))
    fields = _arguments(record, MODULE)[0]["state"]
    buffers = {
        name: x
        for name, x in fields["_buffers"].items()
        if name not in fields["_non_persistent_buffers_set"]
    }
    for name, tensor in {**fields["_parameters"], **buffers}.items():
        if tensor is not None:
            state[prefix + name] = _tensor(tensor, prefix + name)
    for name, child in fields["_modules"].items():
        if child is not None:
            _collect(child, f"{prefix}{name}.", state, seen)


def _tensor(record: Any, name: str) -> torch.Tensor:
    record = unwrapped(record)
    storage = _arguments(record, TENSOR)[0]
    return tensor_of(record, _storage(_arguments(storage, STORAGE)[0]), name)


def _storage(stream: bytes) -> torch.Tensor:
    """The flat values of a storage, from a stream that torch.save wrote before its zip format."""
    file = io.BytesIO(stream)
    magic, version, system, description, keys = (SnapshotReader(file).load() for _ in range(5))
    if magic != LEGACY_MAGIC or version != LEGACY_VERSION or system["little_endian"] is not True:
        _refuse("a storage has an unknown layout")
    tag, kind, key, _, declared, *_ = description
    dtype = STORAGES[kind.origin]
    (count,) = struct.unpack("<q", file.read(8))
    data = bytearray(file.read())
    if (
        tag != "storage"
        or keys != [key]
        or not declared == count >= 0
        or len(data) != count * dtype.itemsize
    ):
        _refuse(
            f"a storage declares {declared} and {count} values of {dtype} and has {len(data)} bytes"
        )
    return torch.frombuffer(data, dtype=dtype) if count else torch.empty(0, dtype=dtype)


def _settings(kwargs: Any) -> dict[str, Any]:
    plain = {
        key: dict(value) if isinstance(value, dict) else value for key, value in kwargs.items()
    }
    for key, value in plain.items():
        values = value.values() if isinstance(value, dict) else [value]
        if not all(isinstance(item, int | float | str | None) for item in values):
            _refuse(f"its setting {key!r} is neither a number nor a string")
    return plain


def _arguments(record: Any, origin: str) -> tuple[Any, ...]:
    if not isinstance(record, Record) or record.origin != origin:
        _refuse(f"it has {getattr(record, 'origin', type(record).__name__)} where {origin} is due")
    return tuple(record.args)


def _refuse(reason: str) -> NoReturn:
    raise rejected(reason)
