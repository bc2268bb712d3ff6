"""Reading pickles without running anything in them.

`Reader` turns each global that is named in advance into a record of how it was called, and refuses
all others by name; what a stream holds is then read off these records. It is the Python unpickler
on purpose: its memo can't be made to allocate by a large index. No size that a stream claims is
believed before its bytes are there.
"""

import io
import pickle  # its globals are inert here  # nosec B403
import struct
from typing import Any, ClassVar, Self

import torch

from core.errors import CheckpointRejected

PARAMETER = "torch._utils._rebuild_parameter"
PARAMETER_WITH_STATE = "torch._utils._rebuild_parameter_with_state"
TENSOR = "torch._utils._rebuild_tensor_v2"
OBJECTS = (
    *(PARAMETER, PARAMETER_WITH_STATE, TENSOR, "collections.OrderedDict", "torch.Size"),
    *("numpy.dtype", "numpy.ndarray", "_codecs.encode", "builtins.set", "argparse.Namespace"),
    *("numpy.core.multiarray.scalar", "numpy.core.multiarray._reconstruct"),
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

    def add(self, *items: Any) -> None:
        """What a set would be given; nothing needs it."""


class UnknownGlobal(CheckpointRejected):
    """A stream names something that no file of networks needs; `named` says what."""

    def __init__(self, named: str) -> None:
        self.named = named
        super().__init__(f"it names {named}, which no snapshot of networks needs; nothing was run")


class Reader(pickle._Unpickler):
    """Raises UnknownGlobal, CheckpointRejected for a size that is not there, and anything else for
    a broken stream."""

    known: tuple[str, ...] = (*OBJECTS, *STORAGES)
    _stand_ins: ClassVar[dict[str, type[Record]]] = {}
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._length = len(file.getbuffer())

    def find_class(self, module: str, name: str) -> type[Record]:
        origin = f"{module}.{name}"
        if origin not in self.known:
            raise UnknownGlobal(origin)
        if origin not in self._stand_ins:
            self._stand_ins[origin] = type("Record", (Record,), {"origin": origin})
        return self._stand_ins[origin]

    def persistent_load(self, pid: Any) -> Any:
        """The description of a storage, in the stream that carries one."""
        return pid

    def load_bytearray8(self) -> None:
        """Reads what the original reads, which would allocate whatever size is claimed."""
        read, append = self.read, self.append  # type: ignore[attr-defined]  # pickle's own
        (count,) = struct.unpack("<Q", read(8))
        if count > self._length:
            raise CheckpointRejected(f"it claims {count} bytes and has {self._length}")
        append(bytearray(read(count)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


def tensor_of(record: Any, values: torch.Tensor, name: str) -> torch.Tensor:
    """A contiguous copy of what a `_rebuild_tensor_v2` asks of its storage's flat values.

    Raises CheckpointRejected unless size, stride and offset stay within the storage.
    """
    _, offset, size, stride = record.args[:4]
    size = size.args[0] if isinstance(size, Record) else size
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or not all(
        type(number) is int and number >= 0 for number in numbers
    ):
        raise rejected(f"tensor {name} has size {size}, stride {stride} and offset {offset}")
    count = 1
    for length in size:
        count *= length
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if count > len(values) or (count and last >= len(values)):
        raise rejected(f"tensor {name} of size {size} is larger than its storage of {len(values)}")
    return values.as_strided(size, stride, offset).clone(memory_format=torch.contiguous_format)


def unwrapped(record: Any) -> Any:
    """A parameter's tensor; everything else as it is."""
    while isinstance(record, Record) and record.origin in (PARAMETER, PARAMETER_WITH_STATE):
        record = record.args[0]
    return record


def flat_values(data: bytes, kind: Any, declared: Any) -> torch.Tensor:
    """A storage's `declared` values, of the type that the record `kind` stands for."""
    dtype = STORAGES.get(getattr(kind, "origin", ""))
    if dtype is None:
        raise rejected(f"a storage is of an unknown type {kind!r}")
    if not isinstance(declared, int) or len(data) != declared * dtype.itemsize:
        raise rejected(f"a storage declares {declared} values of {dtype} and has {len(data)} bytes")
    if not declared:
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(bytearray(data), dtype=dtype)


def rejected(reason: str) -> CheckpointRejected:
    return CheckpointRejected(f"the snapshot is not one of networks: {reason}")
