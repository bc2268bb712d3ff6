"""Training snapshots of the reference implementation, read without running anything in them.

A snapshot is a pickle of modules whose tensors are themselves small pickle streams. `Reader` turns
each global named in `OBJECTS` or `STORAGES` into a record of how it was called and refuses all
others by name; what a module holds is then read off these records. It is the Python unpickler on
purpose: its memo can't be made to allocate by a large index.
"""

import io
import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import torch

from core.errors import CheckpointRejected

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_VERSION = 1001
MODULE = "torch_utils.persistence._reconstruct_persistent_obj"
PARAMETER = "torch._utils._rebuild_parameter"
TENSOR = "torch._utils._rebuild_tensor_v2"
STORAGE = "torch.storage._load_from_bytes"
OBJECTS = (
    *(MODULE, PARAMETER, TENSOR, STORAGE, "collections.OrderedDict", "dnnlib.util.EasyDict"),
    *(
        "numpy.dtype",
        "numpy.ndarray",
        "numpy.core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct",
    ),
    *("numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct"),
)
STORAGES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}


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


class Record(dict[Any, Any]):
    """Stands in for an object: the arguments of its construction, its state, and the items set on
    it."""

    origin = ""
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> Self:
        record = super().__new__(cls)
        record.args, record.state = args, None
        return record

    def __init__(self, *args: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        self.state = state


STAND_INS = {
    origin: type("Record", (Record,), {"origin": origin}) for origin in (*OBJECTS, *STORAGES)
}


class Reader(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> type[Record]:
        origin = f"{module}.{name}"
        if origin not in STAND_INS:
            raise CheckpointRejected(
                f"it names {origin}, which no snapshot of networks needs; nothing was run"
            )
        return STAND_INS[origin]

    def persistent_load(self, pid: Any) -> Any:
        """The description of a storage, in the stream that carries one."""
        return pid


def read_module(path: Path, entry: str) -> SnapshotModule:
    """Read the network called `entry` from a snapshot. Raises CheckpointRejected for anything that
    isn't a snapshot."""
    try:
        snapshot = Reader(io.BytesIO(path.read_bytes())).load()
        if not isinstance(snapshot, dict) or entry not in snapshot:
            names = (
                sorted(map(str, snapshot))
                if isinstance(snapshot, dict)
                else type(snapshot).__name__
            )
            raise CheckpointRejected(f"{path.name} has no entry {entry!r}; it holds {names}")
        return _module(snapshot[entry])
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
    """A contiguous copy, after checking that size, stride and offset stay within the storage."""
    if isinstance(record, Record) and record.origin == PARAMETER:
        record = record.args[0]
    storage, offset, size, stride = _arguments(record, TENSOR)[:4]
    values = _storage(_arguments(storage, STORAGE)[0])
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or not all(
        type(number) is int and number >= 0 for number in numbers
    ):
        _refuse(f"tensor {name} has size {size}, stride {stride} and offset {offset}")
    count = 1
    for length in size:
        count *= length
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if count > len(values) or (count and last >= len(values)):
        _refuse(f"tensor {name} of size {size} is larger than its storage of {len(values)}")
    return values.as_strided(size, stride, offset).clone(memory_format=torch.contiguous_format)


def _storage(stream: bytes) -> torch.Tensor:
    """The flat values of a storage, from a stream that torch.save wrote before its zip format."""
    file = io.BytesIO(stream)
    magic, version, system, description, keys = (Reader(file).load() for _ in range(5))
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
    raise CheckpointRejected(f"the snapshot is not one of networks: {reason}")
